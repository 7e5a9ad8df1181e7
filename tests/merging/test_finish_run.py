import json
import logging

import pytest
import torch

from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.merging.finish_run import merge_run
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.run_merge import RunMerge, check_base

pytest_plugins = ("tiny_models",)

TIES = RunMerge(MergeMethod("ties", density=0.5))
PHASES = [{"name": "decay", "mask_ratio": 0.05, "max_seq_len": 256, "rope_theta": 160_000}]


@pytest.fixture
def run(tmp_path, save_run, save_checkpoint, tiny_model):
    """Phases start at 0, 1024 and 2048 slots; 256 slots a step; checkpoints at steps 4, 8, 10, 12, 14, 16."""
    run = save_run(tmp_path / "run")
    for seed, (epoch, batch) in enumerate([(1, 4), (2, 8), (2, 10), (3, 12), (3, 14), (4, 16)]):
        save_checkpoint(run / "checkpoints", tiny_model(seed), epoch=epoch, batch=batch, token=256 * batch)
    return run


def _bias(model):
    return model.decoder.bias.detach()


def test_the_last_checkpoints(run, tiny_model):
    merged = merge_run(run, RunMerge())
    record = json.loads((run / "merged" / "merge.json").read_text())
    assert [entry["name"] for entry in record["inputs"]] == [
        f"checkpoints/ep{n}-rank0.pt" for n in ("3-ba12", "3-ba14", "4-ba16")
    ]
    mean = sum(_bias(tiny_model(seed)) for seed in (3, 4, 5)) / 3
    assert torch.allclose(model_weights(run / "merged")["decoder.bias"], mean, atol=1e-6)
    assert merged.exported.path == run / "merged"
    card = (run / "merged" / "README.md").read_text()
    assert "linear merge of" in card
    assert "`checkpoints/ep4-ba16-rank0.pt`" in card


def test_once_is_enough(run, tiny_model, save_checkpoint):
    assert merge_run(run, RunMerge()) is not None
    before = (run / "merged" / "model.safetensors").stat().st_mtime_ns
    assert merge_run(run, RunMerge()) is None
    (run / "checkpoints" / "ep3-ba12-rank0.pt").unlink()  # pruned since
    assert merge_run(run, RunMerge()) is None
    assert (run / "merged" / "model.safetensors").stat().st_mtime_ns == before
    assert merge_run(run, RunMerge(MergeMethod("ema"), last=2)) is not None  # other settings
    save_checkpoint(run / "checkpoints", tiny_model(9), epoch=5, batch=20, token=5120)  # trained further
    assert merge_run(run, RunMerge(MergeMethod("ema"), last=2)) is not None
    weights = model_weights(run / "merged")["decoder.bias"]
    expected = _bias(tiny_model(5)) * (0.8 / 1.8) + _bias(tiny_model(9)) / 1.8
    assert torch.allclose(weights, expected, atol=1e-6)


def test_what_a_killed_attempt_left_goes(run):
    leftover = run / ".merged.partial-0123"
    leftover.mkdir()
    (leftover / "model.safetensors").write_bytes(b"half")
    (run / ".hf.partial-0123").mkdir()
    merge_run(run, RunMerge())
    assert not leftover.exists()
    assert (run / ".hf.partial-0123").exists()
    assert (run / "merged" / "config.json").exists()


def test_ties_starts_from_where_the_last_phase_started(run):
    merge_run(run, TIES)
    record = json.loads((run / "merged" / "merge.json").read_text())
    assert record["base"]["name"] == "checkpoints/ep2-ba8-rank0.pt"
    assert record["base"]["token"] == 2048
    assert [entry["batch"] for entry in record["inputs"]] == [12, 14, 16]


def test_ties_takes_only_what_came_after_its_base(run):
    merge_run(run, RunMerge(MergeMethod("ties"), last=10))
    record = json.loads((run / "merged" / "merge.json").read_text())
    assert [entry["batch"] for entry in record["inputs"]] == [10, 12, 14, 16]


def test_a_base_that_is_gone(run):
    (run / "checkpoints" / "ep2-ba8-rank0.pt").unlink()
    with pytest.raises(UserError, match="no checkpoint at 2048 tokens, where phase 'decay' starts"):
        merge_run(run, TIES)
    merge_run(run, RunMerge(MergeMethod("ties"), base="checkpoints/ep1-ba4-rank0.pt"))
    assert json.loads((run / "merged" / "merge.json").read_text())["base"]["batch"] == 4


def test_a_run_of_one_phase_takes_what_it_loaded(tmp_path, run, save_run, save_checkpoint, tiny_model):
    second = save_run(tmp_path / "second", phases=PHASES, segments=(4,), load_path=str(run), load_as="continue")
    check_base(RunFolder(second), TIES)
    for seed, batch in ((7, 8), (8, 16)):
        save_checkpoint(second / "checkpoints", tiny_model(seed), epoch=batch // 4, batch=batch, token=256 * batch)
    merge_run(second, TIES)
    record = json.loads((second / "merged" / "merge.json").read_text())
    assert record["base"]["name"] == str(run / "checkpoints" / "ep4-ba16-rank0.pt")


def test_explicit_models(run, tiny_model):
    names = ("checkpoints/ep1-ba4-rank0.pt", "checkpoints/ep2-ba10-rank0.pt")
    merge_run(run, RunMerge(models=names))
    mean = (_bias(tiny_model(0)) + _bias(tiny_model(2))) / 2
    assert torch.allclose(model_weights(run / "merged")["decoder.bias"], mean, atol=1e-6)


def test_a_truncated_checkpoint_is_left_out(run):
    path = run / "checkpoints" / "ep3-ba14-rank0.pt"
    path.write_bytes(path.read_bytes()[:-9])
    merge_run(run, RunMerge(last=2))
    record = json.loads((run / "merged" / "merge.json").read_text())
    assert [entry["batch"] for entry in record["inputs"]] == [12, 16]


def test_fewer_checkpoints_than_asked_for(tmp_path, save_run, save_checkpoint, tiny_model, caplog):
    run = save_run(tmp_path / "run")
    with pytest.raises(UserError, match="no whole checkpoint to merge"):
        merge_run(run, RunMerge())
    save_checkpoint(run / "checkpoints", tiny_model(0), epoch=4, batch=16, token=4096)
    with caplog.at_level(logging.WARNING):
        merge_run(run, RunMerge())
    assert "has 1 checkpoints where 3 were asked for" in caplog.text
    assert torch.equal(model_weights(run / "merged")["decoder.bias"], _bias(tiny_model(0)))
