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


def test_the_same_in_steps(tiny_data: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "data"
    path.write_text("".join(json.dumps(document) + "\n" for document in tiny_documents()))
    arguments = ["--input", f"jsonl:{path}", "--tokenizer", str(tiny_data / "tokenizer"), "--out", str(out)]
    arguments += ["--block-size", "64", "--min-chars", "40", "--dedup", "--max-documents", "30"]
    output = run(prepare.app, "plan", *arguments, "--task-bytes", "10k")
    assert "part 0000 of 28.7 kB of input, about 28.7 kB of text; about " in output
    assert "tasks 0 to 0 read input; tasks 1 to 3 pack" in output
    with pytest.raises(UserError, match=r"1 tasks that read input are not done"):
        run(prepare.app, "work", str(out), "--task", "2")
    assert "1 done" in run(prepare.app, "work", str(out), "--task", "0")
    assert "1 done, 0 running, 0 failed, 0 left" in run(prepare.app, "status", str(out))
    with pytest.raises(UserError, match=r"6 of 6 ranges of streams are not packed"):
        run(prepare.app, "finalize", str(out))
    output = run(prepare.app, "work", str(out), "--task", "3", "--task", "1", "--task", "2")
    assert f"{out}: 6 done" in output
    assert "0 done, 1 were done before" in run(prepare.app, "work", str(out), "--task", "0")
    assert "6 streams, " in run(prepare.app, "finalize", str(out))
    assert "finished already" in run(prepare.app, "finalize", str(out))
    assert "finished, 1 part" in run(prepare.app, "status", str(out))
    assert "this was prepared already" in run(prepare.app, "plan", *arguments, "--task-bytes", "10k")
    manifest = load_manifest(out)
    assert all(entry.documents <= 30 for entry in manifest.streams.values())
    assert set(manifest.ledger["dropped"]) == {"below 40 characters", "beyond max_documents"}


def test_scripts_for_slurm(tiny_data: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "data"
    path.write_text("".join(json.dumps(document) + "\n" for document in tiny_documents()))
    arguments = ["--input", f"jsonl:{path}", "--tokenizer", str(tiny_data / "tokenizer"), "--out", str(out)]
    output = run(
        prepare.app,
        *("run", *arguments, "--engine", "slurm", "--dry-run", "--partition", "cpu", "--sbatch=--account=me"),
    )
    assert "route.sbatch: an array of 1" in output
    assert "nothing was submitted" in output
    assert "#SBATCH --account=me" in (out / ".prepare/slurm/pack.sbatch").read_text()


@pytest.mark.parametrize("command", ["run", "plan", "work", "finalize", "status"])
def test_help_says_what_a_command_is_for(command: str) -> None:
    output = run(prepare.app, command, "--help")
    assert len(output) > 300
    assert ("--max-documents" in output) == (command in {"run", "plan"})


def test_bad_lines_fail_the_training_of_a_tokenizer_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n\n\n')
    with pytest.raises(UserError, match=r"2 of 3 input lines are bad \(2 empty line\)"):
        run(
            tokenizer.app,
            *("train", "--input", f"jsonl:{tmp_path}/a.jsonl", "--vocab-size", "640", "--out", str(tmp_path / "tok")),
        )
    assert not (tmp_path / "tok").exists()
