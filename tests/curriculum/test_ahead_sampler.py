import pickle
import threading

import numpy as np
import pytest

from mmbert_composer.curriculum import AheadSampler, BlockSampler, SegmentPlan, StreamSize


def plan_of(segments=4):
    return SegmentPlan(
        block_size=64,
        segment_blocks=30,
        data_seed=5,
        streams=("a/deu", "a/eng"),
        sizes=(StreamSize(1, 7), StreamSize(1, 40)),
        cursors=np.zeros(2, np.int64),
        phases=("p",) * segments,
        blocks=np.array([[5 + n, 25 - n] for n in range(segments)]),
    )


class Recording(BlockSampler):
    """Remembers which thread drew each segment, and fails where it is told to."""

    def __init__(self, plan, fails_at=None):
        super().__init__(plan)
        self.threads = {}
        self.fails_at = fails_at

    def segment(self, segment):
        self.threads[segment] = threading.current_thread()
        if segment == self.fails_at:
            raise MemoryError("no room for the draws")
        return super().segment(segment)


def same(one, other):
    return all(np.array_equal(getattr(one, key), getattr(other, key)) for key in ("stream", "index", "visit"))


def test_draws_are_the_same_and_the_next_ones_come_from_a_thread():
    plain, sampler = BlockSampler(plan_of()), Recording(plan_of())
    ahead = AheadSampler(sampler)
    for segment in range(4):
        assert same(ahead.segment(segment), plain.segment(segment))
    here = threading.current_thread()
    assert sampler.threads[0] is here
    assert all(sampler.threads[segment] is not here for segment in (1, 2, 3))
    assert not any(thread.is_alive() for thread in sampler.threads.values() if thread is not here)


def test_any_order_is_served():
    plain, ahead = BlockSampler(plan_of()), AheadSampler(BlockSampler(plan_of()))
    for segment in (2, 2, 0, 3, 1):
        assert same(ahead.segment(segment), plain.segment(segment))


def test_an_error_in_the_thread_is_raised_where_its_segment_is_asked_for():
    ahead = AheadSampler(Recording(plan_of(), fails_at=1))
    ahead.segment(0)
    with pytest.raises(MemoryError, match="no room for the draws"):
        ahead.segment(1)
    ahead.sampler.fails_at = None
    assert same(ahead.segment(1), BlockSampler(plan_of()).segment(1))


def test_a_copy_for_another_process_has_no_thread(monkeypatch):
    ahead = AheadSampler(BlockSampler(plan_of()))
    first = ahead.segment(0)
    again = pickle.loads(pickle.dumps(ahead))
    assert same(again.segment(0), first)
    assert same(again.segment(1), ahead.segment(1))
    sampler = Recording(plan_of())
    forked = AheadSampler(sampler)
    forked.segment(0)
    monkeypatch.setattr("os.getpid", lambda: -1)  # as in a process forked now, where the thread does not run
    assert same(forked.segment(1), BlockSampler(plan_of()).segment(1))
    assert sampler.threads[1] is threading.current_thread()
