import json

from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.cli.main import main

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")


def test_import_says_what_comes_next(tmp_path, save_hf, capsys):
    hf, out = save_hf(pad_token_id=9), tmp_path / "start"
    assert main(["import", str(hf), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "note: pad_token_id was 9 in config.json and is 0 in the tokenizer, which counts" in said
    assert f"{out}: imported; the packed forward and transformers differ by at most" in said
    assert f"mmbert prepare run --input SPEC --tokenizer {out} --out DATA" in said
    assert {"model.safetensors", "model.yaml", "import.json", "tokenizer.json"} <= {path.name for path in out.iterdir()}
    assert main(["export", str(out), "--out", str(tmp_path / "back")]) == 0
    assert main(["import", str(hf), "--out", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_import_with_a_grown_tokenizer(tmp_path, save_hf, gemma_like, capsys):
    content = json.loads((gemma_like / "tokenizer.json").read_text())
    content["model"]["vocab"]["▁quickfox"] = 420
    (tmp_path / "grown").mkdir()
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / "grown" / name).write_bytes((gemma_like / name).read_bytes())
    (tmp_path / "grown" / "tokenizer.json").write_text(json.dumps(content))
    out = tmp_path / "start"
    assert main(["import", str(save_hf()), "--out", str(out), "--tokenizer", str(tmp_path / "grown")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "embedding 448 -> 448 rows: 416 tokens keep theirs; new tokens: 1 in rows of padding, 0 in placeholders" in said
    )
    assert len(model_weights(out)["decoder.bias"]) == 448


def test_a_new_head_is_said_loudly(tmp_path, save_hf, capsys):
    from transformers import ModernBertModel

    hf = save_hf()
    ModernBertModel.from_pretrained(hf).save_pretrained(hf)
    assert main(["import", str(hf), "--out", str(tmp_path / "start")]) == 1
    assert "give --new-head" in capsys.readouterr().err
    assert main(["import", str(hf), "--out", str(tmp_path / "start"), "--new-head"]) == 0
    assert "note: NEW HEAD, to be trained" in capsys.readouterr().out
