"""What is done, in which order, and what is not done again."""

import threading

import pytest

from experiments.annealing.arms import ARMS, arm
from experiments.annealing.run import result_file, schedule

ALL = {row.name for row in ARMS}


class Recorder:
    """Notes what began and ended; ``fails`` raises."""

    def __init__(self, fails=()):
        self.events, self.lock, self.fails = [], threading.Lock(), fails

    def __call__(self, row, seed):
        with self.lock:
            self.events.append(("begin", row.name, seed))
        if row.name in self.fails:
            raise RuntimeError(row.name)
        with self.lock:
            self.events.append(("end", row.name, seed))

    def begun(self):
        return [(name, seed) for what, name, seed in self.events if what == "begin"]


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_everything_once_and_nothing_before_what_it_starts_from(tmp_path, jobs):
    recorder = Recorder()
    schedule(recorder, [1, 2], ALL, tmp_path, jobs=jobs)
    assert sorted(recorder.begun()) == sorted((row.name, seed) for row in ARMS for seed in (1, 2))
    for row in ARMS:
        for name in (row.start, *row.merged):
            for seed in (1, 2):
                if name:
                    began = recorder.events.index(("begin", row.name, seed))
                    assert recorder.events.index(("end", name, seed)) < began


def test_what_is_measured_is_not_done_again_nor_is_a_stem_that_nobody_needs(tmp_path):
    for name in ("own", "all", "merge"):
        result_file(tmp_path, arm(name), 1).write_text("{}")
    recorder = Recorder()
    schedule(recorder, [1], ALL, tmp_path, jobs=2)
    assert sorted(recorder.begun()) == [("constant-tau", 1), ("from-start", 1)]


def test_a_wanted_merge_brings_both_decays_and_their_stem(tmp_path):
    recorder = Recorder()
    schedule(recorder, [1], {"merge"}, tmp_path, jobs=2)
    assert sorted(name for name, _ in recorder.begun()) == ["all", "merge", "own", "stem"]


def test_after_a_failure_nothing_new_begins(tmp_path):
    recorder = Recorder(fails=("stem",))
    with pytest.raises(RuntimeError, match="stem"):
        schedule(recorder, [1], {"own", "all", "merge"}, tmp_path, jobs=1)
    assert recorder.begun() == [("stem", 1)]
