import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from composer.loggers import InMemoryLogger
from plain_run import plain_trainer
from transformers import AutoModelForMaskedLM, AutoTokenizer

from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.checkpoints.list_checkpoints import CheckpointFile, list_checkpoints
from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.errors import UserError

pytest_plugins = ("tiny_models",)


def test_a_plain_trainer(tmp_path, tiny_tokenizer):
    logger = InMemoryLogger()
    merging = CheckpointMerging(last=2, tokenizer=tiny_tokenizer)
    trainer = plain_trainer(tmp_path / "run", [merging], loggers=[logger])
    trainer.fit()
    trainer.close()
    trainer.close()
    run = tmp_path / "run"
    record = json.loads((run / "merged" / "merge.json").read_text())
    assert [entry["batch"] for entry in record["inputs"]] == [4, 6]
    weights = [model_weights(file.path) for file in list_checkpoints(run)[-2:]]
    merged = AutoModelForMaskedLM.from_pretrained(run / "merged").state_dict()
    for name, one in weights[0].items():
        assert torch.allclose(merged[name], (one + weights[1][name]) / 2, atol=1e-6)
    assert not torch.equal(weights[0]["decoder.bias"], weights[1]["decoder.bias"])
    assert AutoTokenizer.from_pretrained(run / "merged").mask_token_id == 4
    assert logger.get_timeseries("merge/models")["merge/models"].tolist() == [2]
    assert logger.get_timeseries("merge/max_logit_difference")["merge/max_logit_difference"][0] < 1e-4
    assert logger.get_timeseries("merge/seconds")["merge/seconds"][0] > 0


def test_the_theta_of_the_end_counts(tmp_path, tiny_tokenizer):
    trainer = plain_trainer(tmp_path / "run", [CheckpointMerging(tokenizer=tiny_tokenizer)])
    trainer.fit(duration="4ba")
    trainer.state.model.set_rope_theta(90_000.0, 20_000.0)
    trainer.fit(duration="2ba")
    trainer.close()
    config = json.loads((tmp_path / "run" / "merged" / "config.json").read_text())
    assert (config["global_rope_theta"], config["local_rope_theta"]) == (90_000, 20_000)
    assert len(json.loads((tmp_path / "run" / "merged" / "merge.json").read_text())["inputs"]) == 3


@pytest.mark.parametrize(
    ("callback", "options", "text"),
    [
        (CheckpointMerging(), {}, "checkpoint_merging: no tokenizer found"),
        (CheckpointMerging(method="ties", tokenizer="TOKENIZER"), {}, "name the base"),
        (
            CheckpointMerging(last=3, tokenizer="TOKENIZER"),
            {"save_num_checkpoints_to_keep": 2},
            "last=3 checkpoints are to be merged, but save_num_checkpoints_to_keep=2 deletes them",
        ),
    ],
)
def test_what_could_not_be_merged_is_refused_before_training(tmp_path, tiny_tokenizer, callback, options, text):
    if callback.tokenizer:
        callback.tokenizer = tiny_tokenizer
    trainer = plain_trainer(tmp_path / "run", [callback], **options)
    with pytest.raises(UserError, match=text):
        trainer.fit()
    assert trainer.state.timestamp.batch == 0
    trainer.close()


def test_ties_with_a_named_base(tmp_path, tiny_tokenizer):
    first = plain_trainer(tmp_path / "first", [CheckpointMerging(tokenizer=tiny_tokenizer)], steps=2)
    first.fit()
    first.close()
    base = tmp_path / "first" / "ep0-ba2-rank0.pt"
    merging = CheckpointMerging("ties", last=2, density=0.5, base=str(base), explain=True, tokenizer=tiny_tokenizer)
    trainer = plain_trainer(tmp_path / "run", [merging])
    trainer.fit()
    trainer.close()
    record = json.loads((tmp_path / "run" / "merged" / "merge.json").read_text())
    assert record["base"]["name"] == str(base)
    assert (tmp_path / "run" / "merged" / "explain.png").is_file()
    assert record["parameters"] == {"density": 0.5, "trim": "tensor", "lambda": 1.0}


def test_never_pins_alone(tmp_path, tiny_tokenizer):
    merging = CheckpointMerging(last=1, at="never", tokenizer=tiny_tokenizer)
    files = [CheckpointFile(Path(f"ep0-ba{batch}-rank0.pt"), 0, batch) for batch in (2, 4)]
    assert merging.pins(files) == {file.path for file in files}
    trainer = plain_trainer(tmp_path / "run", [merging], steps=2)
    trainer.fit()
    trainer.close()
    assert not (tmp_path / "run" / "merged").exists()
    assert merging.pins(files) == {files[1].path}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": "slarp"}, "method='slarp' must be one of linear, ema, ties"),
        ({"method": "slerp"}, "3 models given; method=slerp needs two"),
        ({"density": 0.2}, "density is for method=ties, not for linear"),
        ({"last": 0}, "last=0 must be a whole number"),
        ({"base": "x.pt"}, "a base is for method=ties or task_arithmetic, not for linear"),
        ({"at": "epoch_end"}, "at='epoch_end' must be fit_end or never"),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(UserError, match=text):
        CheckpointMerging(**settings)


def _start_ranks(
    run: Path, tokenizer: Path, *, steps: int, delay: float, timeout: float
) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    command = [sys.executable, str(Path(__file__).with_name("plain_run.py")), str(run), str(tokenizer), str(steps)]
    return [
        subprocess.Popen(
            [*command, "linear", str(delay), str(timeout)],
            env={**os.environ, **shared, "MASTER_PORT": port, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]


@pytest.mark.slow
def test_two_ranks_and_a_merge_longer_than_the_dist_timeout(tmp_path, tiny_tokenizer):
    run = tmp_path / "run"
    ranks = _start_ranks(run, tiny_tokenizer, steps=4, delay=25, timeout=15)
    outputs = [process.communicate(timeout=180)[0] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], outputs
    assert [f"rank {rank} done" in output for rank, output in enumerate(outputs)] == [True, True]
    assert (run / "merged" / "merge.json").is_file()


@pytest.mark.slow
def test_killed_while_merging(tmp_path, tiny_tokenizer):
    from mmbert_composer.merging.finish_run import merge_run

    run = tmp_path / "run"
    ranks = _start_ranks(run, tiny_tokenizer, steps=4, delay=120, timeout=15)
    deadline = time.monotonic() + 120
    while not (run / "merging").exists():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in ranks)
        time.sleep(0.2)
    ranks[0].send_signal(signal.SIGKILL)
    ranks[0].communicate()
    output = ranks[1].communicate(timeout=60)[0]
    assert ranks[1].returncode != 0, output  # rank 0 held the store: whoever waits for it stops as well
    assert not (run / "merged").exists()
    assert merge_run(run, CheckpointMerging(tokenizer=tiny_tokenizer).settings) is not None
    assert (run / "merged" / "model.safetensors").is_file()
