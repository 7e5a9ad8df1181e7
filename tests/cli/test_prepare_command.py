import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmbert_composer.cli import prepare, tokenizer
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError
from tests.conftest import tiny_documents


def run(app, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_text_to_tokenizer_to_blocks_to_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in tiny_documents()))
    output = run(
        tokenizer.app, "train", "--input", f"jsonl:{path}", "--vocab-size", "640", "--out", str(tmp_path / "tok")
    )
    assert f"{tmp_path / 'tok'}: tokenizer of " in output
    arguments = ["--input", f"jsonl:{path}", "--tokenizer", str(tmp_path / "tok"), "--out", str(tmp_path / "data")]
    output = run(prepare.app, "run", *arguments, "--block-size", "64", "--workers", "1")
    manifest = load_manifest(tmp_path / "data")
    assert f"6 streams, {manifest.blocks:,} blocks of 64, {manifest.tokens:,} tokens" in output
    output = run(prepare.app, "run", *arguments, "--block-size", "64", "--workers", "2")
    assert "6 streams were prepared already; nothing to do" in output
    assert "all as written" in run(prepare.app, "verify", str(tmp_path / "data"))
    output = run(prepare.app, "stats", str(tmp_path / "data"), "--top", "2")
    assert "the 2 largest of 6 streams" in output
    assert "English" in output


def test_bad_lines_fail_the_training_of_a_tokenizer_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n\n\n')
    with pytest.raises(UserError, match=r"2 of 3 input lines are bad \(2 empty line\)"):
        run(
            tokenizer.app,
            *("train", "--input", f"jsonl:{tmp_path}/a.jsonl", "--vocab-size", "640", "--out", str(tmp_path / "tok")),
        )
    assert not (tmp_path / "tok").exists()
