"""The commands of docs/merging.md, on small models under the names that it uses."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT
from tests.documents import Document, run_command

pytest_plugins = ("tiny_models",)

DOCUMENT = Document(ROOT / "docs" / "merging.md")
VARIANTS = ("decay-eng", "decay-cont", "decay-all")


@pytest.fixture
def there(tmp_path, monkeypatch, tiny_data, tiny_model, save_run, save_checkpoint):
    """Three variants near their stem, a run of four checkpoints, data."""
    for seed, name in enumerate(("stem", *VARIANTS)):
        model = tiny_model(0, vocab_size=640)
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.02 * (seed > 0))
        model.save_pretrained(tmp_path / name)
        shutil.copytree(tiny_data / "tokenizer", tmp_path / name, dirs_exist_ok=True)
    run = save_run(tmp_path / "runs" / "mine")
    for seed, batch in enumerate((4, 8, 12, 16)):
        save_checkpoint(run / "checkpoints", tiny_model(seed), epoch=batch // 4, batch=batch, token=256 * batch)
    shutil.copytree(tiny_data, tmp_path / "data")
    (yaml,) = DOCUMENT.blocks("yaml")
    (tmp_path / "merge.yaml").write_text(yaml)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands(there, capsys):
    for command in DOCUMENT.commands():
        run_command(command)
    shown = capsys.readouterr()
    assert "common ancestor" not in shown.err
    records = {name: json.loads((there / name / "merge.json").read_text()) for name in ("merged", "small", "from-yaml")}
    assert records["merged"]["base"]["name"] == "stem"
    assert [entry["name"] for entry in records["merged"]["inputs"]] == list(VARIANTS)
    assert len(records["small"]["inputs"]) == 4
    assert records["from-yaml"]["parameters"] == {"weights": [2, 1, 1], "normalize": True, "lambda": 0.8}
    once, again = (load_file(there / name / "model.safetensors") for name in ("merged", "explained"))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert (there / "explained" / "explain.png").exists()
    losses = json.loads((there / "explained" / "held_out.json").read_text())["losses"]
    assert list(losses) == [*VARIANTS, "stem (base)", "explained (merge)"]
