"""The commands of docs/troubleshooting.md on a finished run, and that what the table quotes is what we print."""

import re
import shutil

import pytest

import mmbert_composer
from tests.conftest import ROOT
from tests.documents import Document, run_command

DOCUMENT = Document(ROOT / "docs" / "troubleshooting.md")


@pytest.fixture
def there(tmp_path, monkeypatch, tiny_data, finished_run):
    shutil.copytree(finished_run, tmp_path / "runs" / "mine")
    shutil.copytree(tiny_data, tmp_path / "data")
    shutil.copy(finished_run.parent / "run.yaml", tmp_path / "my.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands(there, capsys):
    before = {path: path.stat().st_mtime_ns for path in there.rglob("*") if path.is_file()}
    for command in DOCUMENT.commands(""):
        run_command(command)
    shown = capsys.readouterr().out
    assert "problems" in shown
    assert "yes, every byte" in shown
    assert {path: path.stat().st_mtime_ns for path in there.rglob("*") if path.is_file()} == before


OTHERS = ("FileExistsError", "Reused local", "undefined symbol", "Bus error", "Too many open", "Failed to find C")
"""Quoted from other programs."""


def test_what_is_quoted_is_what_we_print():
    source = "\n".join(path.read_text() for path in ROOT.joinpath("mmbert_composer").rglob("*.py"))
    said = re.sub(r'"\s*\n\s*f?"', "", source)  # a text over several lines
    quoted = [
        quote
        for row in re.findall(r"^\| (`.*?) \|", DOCUMENT.text, re.MULTILINE)
        for quote in re.findall("`(.*?)`", row)
    ]
    assert len(quoted) > 15
    for quote in quoted:
        if quote in ("streaming", "StreamingDataset") or quote.startswith(OTHERS):
            continue
        parts = [part.strip(" :") for part in re.split(r"\.\.\.|\b\d+\b|posix\.system|dut|deu|none", quote)]
        for part in (part for part in parts if len(part) > 8):
            assert part in said, part
    assert mmbert_composer.__file__.startswith(str(ROOT))
