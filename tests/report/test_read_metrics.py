"""Reading metrics.jsonl: superseded lines, half lines, values as written."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.report.read_metrics import read_metrics


def _write(path: Path, *lines: dict | str) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def _step(batch: int, loss: float, **more: object) -> dict:
    return {"batch": batch, "token": 100 * (batch - 1), "phase": "a", "loss": loss, "tau": {"x": 0.7}, **more}


def _eval(batch: int, loss: float) -> dict:
    streams = {"x/eng": {"loss": loss, "masked": 10}}
    return {"event": "eval", "batch": batch, "token": 100 * batch, "loss": loss, "accuracy": 0.5, "streams": streams}


def test_of_a_step_seen_twice_the_last_line_counts(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "metrics.jsonl",
        *[_step(batch, batch) for batch in (1, 2, 3, 4)],
        _eval(2, 8.0),
        _eval(4, 7.0),
        {"event": "languages", "batch": 4, "token": 400, "streams": {"x/eng": {"tokens_real": 390, "blocks": 4}}},
        {"event": "resume", "batch": 2},
        _step(3, 30.0),
        _eval(3, 7.5),
    )
    metrics = read_metrics(path)
    assert metrics.steps["batch"].tolist() == [1, 2, 3]
    assert metrics.steps["loss"].tolist() == [1, 2, 30]
    assert [entry.loss for entry in metrics.evals] == [8.0, 7.5]
    assert metrics.languages == []
    assert metrics.resumes == [2]


def test_a_step_written_again_without_a_resume_line_counts_once(tmp_path: Path) -> None:
    metrics = read_metrics(_write(tmp_path / "m", _step(1, 1), _step(2, 2), _step(2, 5)))
    assert metrics.steps["loss"].tolist() == [1, 5]


def test_a_half_written_last_line_is_left_out_and_counted(tmp_path: Path) -> None:
    metrics = read_metrics(_write(tmp_path / "m", _step(1, 1), json.dumps(_step(2, 2))[:40]))
    assert metrics.steps["batch"].tolist() == [1]
    assert metrics.unreadable == 1


def test_the_line_behind_half_a_line_is_found(tmp_path: Path) -> None:
    half = json.dumps(_step(3, 3))[:40]
    metrics = read_metrics(
        _write(tmp_path / "m", _step(1, 1), _step(2, 2), half, {"event": "resume", "batch": 1}, _step(2, 9))
    )
    assert metrics.steps["loss"].tolist() == [1, 9]
    assert (metrics.resumes, metrics.unreadable) == ([1], 1)


def test_columns_that_begin_late_or_are_null_are_nan(tmp_path: Path) -> None:
    metrics = read_metrics(
        _write(
            tmp_path / "m",
            _step(1, 1, rope_theta=10_000, grad_norm=None),
            _step(2, 2, rope_theta={"global": 160_000, "local": 10_000}, tau={"x": 0.5, "y": 1.0}),
        )
    )
    np.testing.assert_array_equal(metrics.steps["tau/y"], [np.nan, 1.0])
    assert metrics.steps["rope_theta/global"].tolist() == [10_000, 160_000]
    assert metrics.steps["rope_theta/local"].tolist() == [10_000, 10_000]
    assert metrics.has("tau/y")
    assert not metrics.has("grad_norm")
    assert not metrics.has("nonsense")


def test_no_file_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{tmp_path}: there is no readable metrics.jsonl .* name the save_folder"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_a_killed_and_resumed_run_reads_like_one_that_was_not(made_up_run: Callable) -> None:
    run = made_up_run()
    whole = read_metrics(run.write() / "metrics.jsonl")
    run.kill_and_resume(at_batch=30, saved_batch=22)
    resumed = read_metrics(run.write() / "metrics.jsonl")
    assert resumed.resumes == [22]
    assert resumed.evals == whole.evals
    assert resumed.languages == whole.languages
    for name, values in whole.steps.items():
        np.testing.assert_array_equal(resumed.steps[name], values)
