"""A scheduler of the YAML in place of the phases' lr: exact at each step's first token."""

import pytest

from mmbert_composer.optim.trapezoid import trapezoid
from mmbert_composer.train import main
from tests.conftest import read_jsonl


def test_a_token_schedule_does_not_lag(settings, yaml_of, tmp_path):
    (phase, *_) = settings["curriculum"]["phases"]
    del phase["lr"]
    settings["curriculum"]["phases"] = [phase]
    settings["scheduler"] = {"name": "trapezoid", "t_warmup": "512tok", "t_max": "2_048tok", "t_decay": "1_024tok"}
    assert main([str(yaml_of(settings))]) == 0
    steps = [row for row in read_jsonl(tmp_path / "run" / "metrics.jsonl") if "event" not in row]
    assert [row["token"] for row in steps] == list(range(0, 2048, 256))
    multipliers = [trapezoid(row["token"], 512, 2048, 1024, 0.0) for row in steps]
    assert multipliers[:5] == [0.0, 0.5, 1.0, 1.0, 1.0]
    assert [row["lr"] for row in steps] == pytest.approx([0.003 * multiplier for multiplier in multipliers])
