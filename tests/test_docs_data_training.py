"""The commands of docs/data-training.md, on a few pages of text."""

import csv
import json
import os
import shutil

import pytest

from tests.conftest import ROOT, tiny_documents
from tests.documents import Document, run_command, shortened

DOCUMENT = Document(ROOT / "docs" / "data-training.md")
SHORT = [*shortened(3, 16_384, 8_192), "curriculum.phases.0.batch_size.over=8_192tok", "data.segment_blocks=16"]


@pytest.fixture
def there(tmp_path, tiny_data, monkeypatch):
    lines = [json.dumps(document) for seed in range(3) for document in tiny_documents(seed)]
    (tmp_path / "text.jsonl").write_text("\n".join(lines) + "\n")
    shutil.copytree(ROOT / "yamls", tmp_path / "yamls")
    monkeypatch.chdir(tmp_path)
    how = f"--tokenizer {tiny_data}/tokenizer --out data --block-size 1024"
    run_command(f"mmbert prepare run --input jsonl:text.jsonl {how}")
    monkeypatch.setenv("PWD", str(tmp_path))
    return tmp_path


def test_the_commands(there):
    for command in DOCUMENT.commands():
        run_command(os.path.expandvars(command), SHORT)
    assert len(list(csv.DictReader((there / "counts.csv").read_text().splitlines()))) == 6
    assert (there / "stats.png").exists()
    assert list((there / "cache").glob("tiny/*/shard.00000.mds"))
    assert (there / "runs/remote/merged/model.safetensors").exists()
