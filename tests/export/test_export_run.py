import json

import pytest
import torch
import yaml
from transformers import AutoModelForMaskedLM

from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.errors import UserError
from mmbert_composer.export.export_run import ensure_export, export_run
from mmbert_composer.export.model_source import open_model
from tests.tiny_models import PHASES

pytest_plugins = ("tiny_models",)


@pytest.fixture
def run(tmp_path, save_run, save_checkpoint, tiny_model):
    mixtures = [
        {"web": {"share": 0.75, "tau": 0.7}, "books": {"share": 0.25}},
        {"web": {"share": 1.0, "tau": 0.5}},
        {"*": {"tau": {"from": 0.7, "to": 0.3}}},
    ]
    phases = [{**phase, "mixture": mixture} for phase, mixture in zip(PHASES, mixtures, strict=True)]
    (tmp_path / "data").mkdir()
    streams = {
        "web/eng": {"licence": "ODC-By; CC0", "origin": "org/web@v2"},
        "web/swh": {"licence": "CC0", "origin": ""},
        "web/deu": {"licence": "CC0"},
    }
    (tmp_path / "data" / "manifest.json").write_text(json.dumps({"streams": streams}))
    more = {"data": {"root": str(tmp_path / "data")}, "load_path": "/somewhere/base-run"}
    run = save_run(tmp_path / "run", phases, run_name="swahili", **more)
    save_checkpoint(run / "checkpoints", tiny_model(1), epoch=1, batch=4, token=1024)
    save_checkpoint(run / "checkpoints", tiny_model(2), epoch=4, batch=16, token=4096)
    lines = [
        {"batch": 4, "token": 1024, "loss": 5.0},
        {"event": "eval", "batch": 4, "loss": 5.5, "sources": {}, "streams": {"web/eng": {"loss": 5.5, "masked": 9}}},
        {
            "event": "languages",
            "batch": 16,
            "streams": {"web/eng": {"tokens_real": 1500}, "web/swh": {"tokens_real": 700}},
        },
        {"event": "eval", "batch": 16, "loss": 9.9},
        {"event": "resume", "batch": 12},
        {
            "event": "eval",
            "batch": 16,
            "loss": 3.25,
            "sources": {"web": {"loss": 3.25, "masked": 20}},
            "streams": {"web/eng": {"loss": 3.0, "masked": 9}, "web/swh": {"loss": 3.5, "masked": 11}},
        },
    ]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"event": "eval", "bat')
    return run


def test_the_newest_checkpoint(tmp_path, run, tiny_model):
    exported = export_run(run, tmp_path / "hf")
    assert torch.equal(model_weights(tmp_path / "hf")["decoder.bias"], tiny_model(2).decoder.bias)
    config = AutoModelForMaskedLM.from_pretrained(tmp_path / "hf").config
    assert (config.global_rope_theta, config.local_rope_theta) == (160_000, 160_000)
    assert config.max_position_embeddings == 256
    record = json.loads((tmp_path / "hf" / "export.json").read_text())
    assert (record["source"], record["batch"], record["token"]) == ("ep4-ba16-rank0.pt", 16, 4096)
    assert record["differences"] == exported.differences


def test_an_earlier_checkpoint_has_the_theta_of_its_phase(tmp_path, run):
    export_run(run, tmp_path / "hf", run / "checkpoints" / "ep1-ba4-rank0.pt")
    config = AutoModelForMaskedLM.from_pretrained(tmp_path / "hf").config
    assert (config.global_rope_theta, config.max_position_embeddings) == (10_000, 128)
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "**5.500**" in card
    assert "decay" not in card


def test_the_card(tmp_path, run):
    export_run(run, tmp_path / "hf")
    card = (tmp_path / "hf" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["language"] == ["eng", "swh"]
    assert front["library_name"] == "transformers"
    assert "# swahili" in card
    assert "trained on 4.10k tokens in 2 languages" in card
    assert "Training started from `base-run`." in card
    assert "| pretrain | 1.02k | 1 | 0.3 | 128 | 10,000 | books 0.25, web 0.75 (tau 0.7) |" in card
    assert "| decay | 2.05k | 2 | 0.15 to 0.05 | 256 | 160,000 | all streams 1 (tau 0.7 to 0.3) |" in card
    assert "| web | 2 | 100.0% (2.20k tokens) | org/web@v2 | CC0; ODC-By |" in card
    assert "English (`eng`, 1.50k)" in card
    assert "Swahili" in card
    assert "**3.250**" in card
    assert "9.900" not in card
    assert "| web/swh |" in card
    assert "largest difference" in card
    assert "/somewhere" not in card


@pytest.mark.parametrize("number", range(4))
def test_card_code_runs(tmp_path, run, number):
    export_run(run, tmp_path / "hf")
    card = (tmp_path / "hf" / "README.md").read_text()
    blocks = [part.split("```")[0] for part in card.split("```python\n")[1:]]
    assert len(blocks) == 4
    if "sentence_transformers" in blocks[number]:
        pytest.importorskip("sentence_transformers")
    scope = {}
    exec(blocks[number].replace("PATH_OR_NAME", str(tmp_path / "hf")), scope)
    if "embeddings" in scope:
        assert scope["embeddings"].shape == (2, 32)
    elif "loss" in scope:
        assert scope["loss"].isfinite()
    else:
        assert "fill" in scope


def test_ensure_export_does_what_is_missing(run, tiny_model, save_checkpoint):
    (run / ".hf.partial-abc").mkdir()
    assert ensure_export(run).path == run / "hf"
    assert not (run / ".hf.partial-abc").exists()
    assert ensure_export(run) is None
    save_checkpoint(run / "checkpoints", tiny_model(3), epoch=5, batch=20, token=5120)
    assert ensure_export(run) is not None
    assert torch.equal(model_weights(run / "hf")["decoder.bias"], tiny_model(3).decoder.bias)


def test_a_truncated_newest_checkpoint_is_passed_over(tmp_path, run, tiny_model):
    newest = run / "checkpoints" / "ep4-ba16-rank0.pt"
    newest.write_bytes(newest.read_bytes()[:-50])
    export_run(run, tmp_path / "hf")
    assert torch.equal(model_weights(tmp_path / "hf")["decoder.bias"], tiny_model(1).decoder.bias)
    (run / "checkpoints" / "ep1-ba4-rank0.pt").unlink()
    with pytest.raises(UserError, match=r"no whole checkpoint in it: ep4-ba16-rank0\.pt is incomplete"):
        export_run(run, tmp_path / "again")


def test_other_paths(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        open_model(tmp_path / "none")
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="a bert model; only modernbert"):
        open_model(tmp_path / "bert")
