import json
import os

import pytest

from mmbert_composer.runs.last_step import last_step


def step(batch, **more):
    return {"batch": batch, "token": (batch - 1) * 256, "batch_size": 4, "phase": "one", "loss": 3.5, **more}


@pytest.fixture
def metrics(tmp_path):
    return tmp_path / "metrics.jsonl"


def write(path, *lines, end="\n"):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + end)


def test_the_last_step_and_the_clock_after_it(metrics):
    write(metrics, step(1), step(2), {"event": "eval", "batch": 2, "token": 512})
    os.utime(metrics, (1000, 2000))
    found = last_step(metrics, block_size=64)
    assert found is not None
    assert (found.batch, found.token, found.phase, found.loss, found.when) == (2, 512, "one", 3.5, 2000)


def test_a_torn_line_is_passed_over(metrics):
    write(metrics, step(1), json.dumps(step(2))[:-20], end="")
    assert last_step(metrics, 64).batch == 1
    write(metrics, step(1), json.dumps(step(2))[:20] + json.dumps(step(3)))  # the next process wrote right behind it
    assert last_step(metrics, 64).batch == 3
    metrics.write_bytes(b"\xff\x00" + metrics.read_bytes())
    assert last_step(metrics, 64).batch == 3


def test_a_step_before_a_long_line_is_found(metrics):
    write(
        metrics,
        step(1),
        step(2),
        {"event": "eval", "batch": 2, "token": 1, "streams": {f"a/{n}": n for n in range(99)}},
    )
    assert last_step(metrics, 64, first_read=32).batch == 2


def test_no_step(metrics):
    assert last_step(metrics, 64) is None
    write(metrics, {"event": "resume", "batch": 4})
    assert last_step(metrics, 64, first_read=4) is None
    metrics.write_text("")
    assert last_step(metrics, 64) is None
