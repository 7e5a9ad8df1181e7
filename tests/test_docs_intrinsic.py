"""The commands that the documentation of intrinsic measures, comparisons and contamination shows."""

import json
import shutil

import pytest
import yaml

from mmbert_composer import registry
from mmbert_composer.evaluation.tasks.intrinsic import INTRINSIC
from tests.callbacks.test_every_callback import KEYS
from tests.conftest import ROOT, tiny_documents
from tests.documents import Document, run_command

PAGE = Document(ROOT / "docs" / "evaluation.md")


@pytest.fixture
def there(tmp_path, monkeypatch, finished_run, tiny_data):
    """A finished run, its data, and text to evaluate on: some of it trained on, some with verses."""
    shutil.copytree(finished_run, tmp_path / "runs" / "mine")
    shutil.copytree(tiny_data, tmp_path / "data")
    folder = tmp_path / "evaluation-data"
    folder.mkdir()
    lines = [f"{'abcdefgh'[n] * 3} line {n}" for n in range(8)]
    verses = [
        {"text": "\n".join(lines), "language": language, "verses": [f"v{n}" for n in range(8)], "source": "b"}
        for language in ("eng", "deu")
    ]
    rows = [*tiny_documents(), *verses]
    (folder / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands(there, capsys):
    for command in PAGE.commands("own"):
        run_command(command)
    shown = capsys.readouterr().out
    assert "mmBERT base (published)" in shown
    assert "average as printed" in shown
    assert "texts of text.jsonl were trained on" in shown
    on_text = json.loads((there / "results" / "mine-hf" / "masked_loss.json").read_text())
    on_blocks = json.loads((there / "results-held-out" / "mine-hf" / "masked_loss.json").read_text())
    assert (on_text["extra"]["forward"], on_blocks["extra"]["forward"]) == ("padded", "packed")
    assert on_text["note"].startswith("held out")
    found = json.loads((there / "contamination.json").read_text())
    assert found["files"][0]["trained"] > 0
    assert (there / "models.html").exists()
    assert (there / "models.csv").exists()


def test_the_callback(there):
    (text,) = PAGE.blocks("yaml", "own")
    for name, options in yaml.safe_load(text)["callbacks"].items():
        callback = registry.build("callbacks", name, options)
        assert [bitext.language for bitext in callback.bitexts] == ["deu"]


def test_what_the_tables_name():
    for task in INTRINSIC:
        assert f"| `{task.name}` |" in PAGE.text
    for key in KEYS["intrinsic_eval"]:
        head, _, last = key.rpartition("/")
        assert f"`{key}`" in PAGE.text or (f"`{head}/" in PAGE.text and f"`{last}`" in PAGE.text), key
    for path in ("examples/classify/README.md", "examples/search/README.md", "examples/ner/README.md"):
        assert f"(../{path})" in PAGE.text
        assert (ROOT / path).exists()
    assert len(PAGE.commands()) == len(PAGE.commands("own")) + len(PAGE.commands("run"))
