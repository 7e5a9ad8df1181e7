"""The commands of docs/data.md on preparing, appending and clusters."""

import json
import shutil

import pytest

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.tokenizer import train_tokenizer
from tests.conftest import ROOT, tiny_documents
from tests.documents import Document, run_command

DOCUMENT = Document(ROOT / "docs" / "data.md")


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder with text, more text and a tokenizer."""
    documents = tiny_documents()
    train_tokenizer((document["text"] for document in documents), 640, tmp_path / "tok")
    for name, seed in (("mytext", 0), ("more", 1)):
        (tmp_path / name).mkdir()
        lines = "".join(json.dumps(document) + "\n" for document in tiny_documents(seed))
        (tmp_path / name / "a.jsonl").write_text(lines)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_in_one_command_appended_to_and_step_by_step(there, capsys):
    for command in DOCUMENT.commands("steps"):
        run_command(command)
    quick, stepwise = load_manifest(there / "quick"), load_manifest(there / "stepwise")
    assert [part.name for part in quick.streams["tiny/eng"].parts] == ["0000", "0001"]
    assert [part.name for part in stepwise.streams["tiny/eng"].parts] == ["0000"]
    assert quick.streams["tiny/eng"].parts[0] == stepwise.streams["tiny/eng"].parts[0]
    assert "quick: finished, 1 part" in capsys.readouterr().out


def test_on_a_cluster_as_far_as_it_goes_without_one(there, capsys):
    slurm, status, ray = DOCUMENT.commands("cluster")
    here = {"fineweb2:/data/fineweb2": "jsonl:mytext/*.jsonl", "/data/blocks": "blocks"}
    for place, stand_in in here.items():
        slurm, status, ray = (command.replace(place, stand_in) for command in (slurm, status, ray))
    run_command(f"{slurm} --dry-run")
    assert "#SBATCH --account=me" in (there / "blocks/.prepare/slurm/route.sbatch").read_text()
    run_command(status)
    assert "read input: 0 done, 0 running, 0 failed, 1 left" in capsys.readouterr().out
    shutil.rmtree(there / "blocks")
    assert " --engine ray --address auto" in ray
    run_command(ray.replace(" --engine ray --address auto", ""))
    assert load_manifest(there / "blocks").blocks > 0
