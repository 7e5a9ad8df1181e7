import json

from mmbert_composer.cli.main import main
from tests.foreign_tokenizers import ENGLISH

pytest_plugins = ("tiny_models", "foreign_tokenizers")


def write(path, documents):
    path.write_text("".join(json.dumps({"text": text, "language": language}) + "\n" for language, text in documents))
    return f"jsonl:{path}"


def test_coverage_is_printed_and_kept(tmp_path, gemma_like, capsys):
    spec = write(tmp_path / "text.jsonl", [("tir", "ሰላም ዓለም ሰላም ንኹሉ ሰብ"), ("tir", "ሰላም ሰብ ዓለም"), ("eng", ENGLISH[0])])
    arguments = ["tokenizer", "grow", str(gemma_like), "--input", spec, "--new-tokens", "12"]
    assert main([*arguments, "--out", str(tmp_path / "grown")]) == 0
    said = capsys.readouterr().out
    assert "tir Tigrinya" in said
    assert (
        "12 new tokens, 12 of them in rows of padding, 0 in placeholders, 0 behind; embedding 448 -> 448 rows" in said
    )
    assert f"mmbert import MODEL --tokenizer {tmp_path / 'grown'} --out START" in said
    record = json.loads((tmp_path / "grown" / "coverage.json").read_text())
    assert set(record["languages"]) == {"tir", "eng"}
    tigrinya, english = record["languages"]["tir"], record["languages"]["eng"]
    assert tigrinya["after"]["tokens_per_word"] < tigrinya["before"]["tokens_per_word"]
    assert english["before"] == english["after"]
    assert record["new_tokens"]["total"] == 12
    assert record["tokenizer_hash"]["before"] != record["tokenizer_hash"]["after"]
    assert main([*arguments, "--out", str(tmp_path / "grown")]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_fewer_than_asked_for_and_room_for_more(tmp_path, gemma_like, capsys):
    spec = write(tmp_path / "text.jsonl", [("tir", "ሰላም ዓለም ሰላም ንኹሉ ሰብ ዓለም")])
    arguments = ["tokenizer", "grow", str(gemma_like), "--input", spec]
    assert main([*arguments, "--new-tokens", "500", "--out", str(tmp_path / "all")]) == 0
    said = capsys.readouterr().out
    assert "of the 500 tokens asked for: the text gives no more" in said
    found = json.loads((tmp_path / "all" / "coverage.json").read_text())["new_tokens"]["total"]
    assert main([*arguments, "--new-tokens", "9", "--out", str(tmp_path / "nine")]) == 0
    assert "27 more tokens would cost no row: --new-tokens 36" in capsys.readouterr().out
    assert 9 < found < 36


def test_no_text(tmp_path, gemma_like, capsys):
    spec = write(tmp_path / "text.jsonl", [("eng", ENGLISH[0])])
    arguments = ["tokenizer", "grow", str(gemma_like), "--input", spec, "--new-tokens", "9"]
    assert main([*arguments, "--out", str(tmp_path / "grown")]) == 1
    assert "gives no new token" in capsys.readouterr().err
    assert not (tmp_path / "grown").exists()
