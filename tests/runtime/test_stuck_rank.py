"""Ranks as threads of this process, around one store: one hangs, the others wait for it."""

import threading
import time

import pytest
from torch import distributed

from mmbert_composer.runtime.stuck_rank import ProgressWatch


class Rank(threading.Thread):
    """Makes ``events`` steps, then hangs in ``hang`` until it is let go."""

    def __init__(self, store, rank, ranks, events, limit=0.3):
        super().__init__(daemon=True)
        self.events, self.left, self.free = events, threading.Event(), threading.Event()
        self.options = {"store": store, "rank": rank, "ranks": ranks, "leave": self.left.set, "tick": 0.02}
        self.limit = limit

    def run(self):
        watch = ProgressWatch(self.limit, **self.options)
        watch.start()
        for number in range(self.events):
            time.sleep(0.05)  # longer than a look, shorter than the limit
            watch.note(f"event {number}")
        self.hang()
        watch.stop()

    def hang(self):
        self.free.wait(20)


def test_the_rank_that_is_behind_is_named_with_its_place(caplog):
    store = distributed.HashStore()
    ranks = [Rank(store, 0, 2, events=12, limit=1.5), Rank(store, 1, 2, events=10, limit=1.5)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        assert rank.left.wait(10)
        rank.free.set()
    for text in {record.message for record in caplog.records if "IS STUCK" in record.message}:
        assert "rank 0 waits: on " in text
        assert "rank 1 IS STUCK: on " in text
        assert ", after event 9, at " in text
        assert "test_stuck_rank.py" in text
        assert " in hang > " in text
    assert caplog.text.count("IS STUCK") == 2  # each rank says it in its own log


@pytest.mark.parametrize("lowest", [0, 1])
def test_a_rank_that_says_nothing_is_named(caplog, lowest):
    store = distributed.HashStore()
    rank = Rank(store, lowest, 2, events=3, limit=1.5)
    rank.start()
    assert rank.left.wait(20)
    rank.free.set()
    assert f"rank {1 - lowest} IS STUCK: it says nothing (stopped, gone or blocked)" in caplog.text
    assert f"rank {lowest} waits: on " in caplog.text


def test_a_store_that_does_not_answer(caplog):
    answers = threading.Event()

    class Silent(distributed.HashStore):
        def set(self, key, value):
            answers.wait(20)
            super().set(key, value)

    rank = Rank(Silent(), 1, 2, events=1)
    rank.start()
    assert rank.left.wait(10)
    rank.free.set()
    assert "rank 0 IS STUCK: it keeps the group's store and does not answer. Here: " in caplog.text
    answers.set()
    while "rank 1 waits" not in caplog.text:  # here the process has not left, so the thread comes to its end
        time.sleep(0.01)


def test_alone_it_says_where_it_hangs_and_goes_on(caplog):
    rank = Rank(None, 0, 1, events=3, limit=0.1)
    rank.start()
    while caplog.text.count("no progress for 0 s since event 2; it stands at ") < 2:
        assert rank.is_alive()
        time.sleep(0.01)
    rank.free.set()
    rank.join(10)
    assert not rank.left.is_set()
