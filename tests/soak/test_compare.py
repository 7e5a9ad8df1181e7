import json

import pytest

from tests.soak.compare import compare


def write(folder, losses, *, ranks=1, torn="", resume=None):
    folder.mkdir(exist_ok=True)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(torn)
        if resume is not None:
            file.write(json.dumps({"event": "resume", "batch": resume}) + "\n")
        for batch, loss in losses.items():
            file.write(json.dumps({"batch": batch, "loss": loss}) + "\n")
    for rank in range(ranks):
        with (folder / f"samples-rank{rank}.jsonl").open("a") as file:
            if resume is not None:
                file.write(json.dumps({"event": "resume", "batch": resume}) + "\n")
            for batch in losses:
                samples = [["tiny/eng", batch * 4 + n, 0] for n in range(rank, 4, ranks)]
                file.write(json.dumps({"batch": batch, "samples": samples}) + "\n")
    return folder


@pytest.fixture
def whole(tmp_path):
    return write(tmp_path / "whole", {1: 3.0, 2: 2.5, 3: 2.0})


def test_equal_runs_on_other_ranks(whole, tmp_path):
    other = write(tmp_path / "other", {1: 3.0, 2: 2.5, 3: 2.0 + 1e-6}, ranks=2)
    comparison = compare("x", whole, other, allowed=1e-5)
    assert comparison.is_good
    assert (comparison.steps, comparison.different_losses) == (3, 1)
    assert not compare("x", whole, other, allowed=0.0).is_good


def test_what_a_restart_repeats_counts_once(whole, tmp_path):
    other = write(tmp_path / "other", {1: 3.0, 2: 9.0, 3: 9.0})
    write(other, {2: 2.5, 3: 2.0}, torn='{"batch": 4, "lo\n', resume=1)
    assert compare("x", whole, other, allowed=0.0).is_good


def test_a_step_that_a_restart_never_reached_again_is_void(whole, tmp_path):
    other = write(tmp_path / "other", {1: 3.0, 2: 2.5, 3: 2.0})
    write(other, {}, resume=2)
    comparison = compare("x", whole, other, allowed=1.0)
    assert not comparison.is_good
    assert comparison.wrong_samples == 1


def test_other_samples_and_missing_steps_are_bad(whole, tmp_path):
    other = write(tmp_path / "other", {1: 3.0, 2: 2.5})
    assert compare("x", whole, other, allowed=1.0).wrong_samples == 1
    more = write(tmp_path / "more", {1: 3.0, 2: 2.5, 3: 2.0, 4: 1.5})
    assert compare("x", whole, more, allowed=1.0).wrong_samples == 1
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert not compare("x", nothing, nothing, allowed=1.0).is_good
