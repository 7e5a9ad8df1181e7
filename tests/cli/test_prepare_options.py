"""Options of ``mmbert prepare`` that say what is read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmbert_composer.cli import prepare
from mmbert_composer.errors import UserError
from tests.conftest import ROOT

MMBERT = str(ROOT / "yamls" / "data" / "mmbert.yaml")


def plan(tokenizer: Path, out: Path, *arguments: str) -> str:
    command = ["plan", *arguments, "--tokenizer", str(tokenizer), "--out", str(out)]
    result = CliRunner().invoke(prepare.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_option_of_reading_reaches_the_plan(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de/a.jsonl").write_text('{"body": "a", "score": 1}\n')
    options = (
        *("--text-field", "body", "--filter", "score > 0", "--filter", "score < 9", "--folder-language"),
        *("--language", "fra", "--min-chars", "1", "--licence", "CC0", "--origin", "org/set@v1", "--source", "web"),
    )
    plan(tiny_data / "tokenizer", tmp_path / "data", "--input", f"jsonl:{tmp_path}/de/*.jsonl", *options)
    (planned,) = json.loads((tmp_path / "data/.prepare/plan.json").read_text())["inputs"]
    assert planned["options"] == {
        "text_field": "body",
        "source": "web",
        "language": "fra",
        "folder_language": True,
        "min_characters": 1,
        "filter": ["score > 0", "score < 9"],
        "licence": "CC0",
        "origin": "org/set@v1",
    }
    assert planned["units"][0]["language"] == "deu"


def test_sources_and_inputs_are_planned_together(tiny_data: Path, tmp_path: Path) -> None:
    for name in ("books", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "books-0001.json.gz").write_bytes(b"\x1f\x8b")
    more = ("--only", "books", "--set", f"root={tmp_path}", "--input", f"jsonl:{tmp_path}/mine/*.gz")
    plan(tiny_data / "tokenizer", tmp_path / "data", "--sources", MMBERT, *more)
    inputs = json.loads((tmp_path / "data/.prepare/plan.json").read_text())["inputs"]
    assert sorted(planned["options"].get("source", "") for planned in inputs) == ["", "books"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no input: name at least one"),
        (["--only", "books"], "no input: name at least one"),
        (["--input", "cldr:", "--only", "books"], "--only and --set are for the rows of --sources YAML"),
        (["--sources", MMBERT, "--only", "book"], "no source 'book'; nearest: books"),
        (["--input", "mds:/nowhere", "--folder", "a"], "folder rule 'a' must be GLOB=SOURCE"),
        (["--input", "cldr:", "--filter", "a"], "filter 'a' must be FIELD"),
    ],
)
def test_what_does_not_fit_together_is_said(tiny_data: Path, tmp_path: Path, arguments, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(tiny_data / "tokenizer", tmp_path / "data", *arguments)
