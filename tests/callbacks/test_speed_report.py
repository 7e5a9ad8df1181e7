"""Speed counted on a real run: slots and real tokens apart, FLOPs of real sequences, a peak that is given."""

import math

import pytest
from composer.loggers import InMemoryLogger
from plain_run import LENGTH, plain_trainer

from mmbert_composer.callbacks.speed_report import SpeedReport
from mmbert_composer.errors import UserError
from mmbert_composer.models.flops import step_flops
from tests.conftest import read_jsonl


def fit(callback, folder, steps=3):
    """Speed keys of a plain run of blocks of 64 tokens, one sequence each, two blocks a step, 8 masked in each."""
    logger = InMemoryLogger()
    trainer = plain_trainer(folder, [callback], steps=steps, loggers=[logger])
    trainer.fit()
    config = trainer.state.model.config.to_dict()
    trainer.close()
    keys = [key for key in logger.data if key.startswith("speed/")]
    return {key.removeprefix("speed/"): [value for _, value in logger.data[key]] for key in keys}, config


def test_mfu_is_model_flops_by_seconds_and_peak(tmp_path):
    speed, config = fit(SpeedReport(peak_tflops=0.5), tmp_path)
    flops = step_flops(config, [LENGTH, LENGTH], 16).total
    assert len(speed["mfu"]) == 3
    for step in range(3):
        seconds = 2 * LENGTH / speed["tokens_per_second"][step]
        assert speed["tflops_per_device"][step] == pytest.approx(flops / seconds / 1e12)
        assert speed["mfu"][step] == pytest.approx(flops / seconds / 0.5e12)
        assert speed["tokens_real_per_second"][step] == pytest.approx(speed["tokens_per_second"][step])
        assert speed["padding"][step] == 0
        assert 0.05 < speed["memory_gb"][step] < 200


def test_a_cpu_has_no_mfu_of_its_own(tmp_path):
    speed, _ = fit(SpeedReport(), tmp_path, steps=1)
    assert "mfu" not in speed
    assert "tflops_per_device" in speed


@pytest.mark.parametrize("peak", [0, -3.0, "990", True])
def test_a_peak_that_is_none(peak):
    with pytest.raises(UserError, match=r"speed_report.peak_tflops=.* must be above 0: dense TFLOP/s of one device"):
        SpeedReport(peak_tflops=peak)


def test_metrics_hold_speed_with_padding_apart(settings, yaml_of, tmp_path, caplog):
    from mmbert_composer.train import main

    caplog.set_level("INFO")
    settings["callbacks"]["speed_report"] = {"peak_tflops": 0.1}
    settings["console_log_interval"] = "3ba"
    assert main([str(yaml_of(settings))]) == 0
    rows = [row for row in read_jsonl(tmp_path / "run" / "metrics.jsonl") if "event" not in row]
    before = 0
    for row in rows:
        real = row["tokens_real"] - before
        before = row["tokens_real"]
        slots = 64 * row["batch_size"]
        assert row["padding"] == pytest.approx(1 - real / slots)
        assert row["padding"] == pytest.approx(1 - row["packing/fill"])
        assert row["tokens_real_per_second"] / row["tokens_per_second"] == pytest.approx(real / slots)
        assert row["mfu"] == pytest.approx(row["tflops_per_device"] / 0.1)
        assert all(math.isfinite(row[key]) and row[key] > 0 for key in ("mfu", "memory_gb", "tokens_per_second"))
    assert any(row["padding"] > 0 for row in rows)
    lines = [record.message for record in caplog.records if record.message.startswith("step ")]
    assert " tokens/s (" in lines[0]
    assert " padding), MFU " in lines[0]
