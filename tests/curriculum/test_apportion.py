import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.curriculum.apportion import ONE, apportion, to_fixed_point

FREE = 1 << 62


def serve(phases, blocks):
    """Run phases of (shares, segments) and give the largest deviation ever seen and the last one, in blocks."""
    owed = np.zeros(len(phases[0][0]), np.int64)
    worst = 0.0
    for shares, segments in phases:
        for _ in range(segments):
            owed += to_fixed_point(shares) * blocks
            given_blocks = apportion(owed, blocks, np.full(len(owed), FREE))
            assert given_blocks.sum() == blocks
            assert (given_blocks >= 0).all()
            owed -= given_blocks << 40
            worst = max(worst, np.abs(owed).max() / ONE)
    return worst, np.abs(owed).max() / ONE


def test_by_hand():
    # 0.5, 0.3 and 0.2 of 5 blocks: 2.5, 1.5 and 1; one block is left over for the first of the equal remainders
    owed = to_fixed_point(np.array([0.5, 0.3, 0.2])) * 5
    first = apportion(owed, 5, np.full(3, FREE))
    assert first.tolist() in ([3, 1, 1], [2, 2, 1])
    owed = owed - (first << 40) + to_fixed_point(np.array([0.5, 0.3, 0.2])) * 5
    assert (first + apportion(owed, 5, np.full(3, FREE))).tolist() == [5, 3, 2]


def test_a_stream_that_is_ahead_gets_nothing_and_never_less():
    owed = np.array([-ONE, 3 * ONE, 2 * ONE])
    assert apportion(owed, 4, np.full(3, FREE)).tolist() in ([0, 3, 1], [0, 2, 2])


def test_limits_bind():
    owed = to_fixed_point(np.array([0.8, 0.2])) * 10
    assert apportion(owed, 10, np.array([5, FREE])).tolist() == [5, 5]


weights = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30).filter(lambda values: sum(values) > 0.01)


def shares_of(values):
    return np.array(values) / sum(values)


@given(weights.map(shares_of), st.integers(1, 300), st.integers(1, 40))
def test_fixed_shares_are_exact_within_one_block(shares, blocks, segments):
    worst, _ = serve([(shares, segments)], blocks)
    assert worst < 1.0


@given(st.data(), st.integers(2, 20), st.integers(1, 300))
def test_changing_shares_stay_close(data, size, blocks):
    drawn = st.lists(st.floats(0.0, 1.0), min_size=size, max_size=size).filter(lambda values: sum(values) > 0.01)
    phases = [(shares_of(data.draw(drawn)), data.draw(st.integers(1, 20))) for _ in range(3)]
    worst, _ = serve(phases, blocks)
    assert worst < 1.5


def test_a_phase_that_drops_half_the_languages():
    rng = np.random.default_rng(1)
    first = rng.lognormal(0, 2, 400)
    second = np.where(rng.random(400) < 0.5, 0.0, first)
    worst, last = serve([(first / first.sum(), 20), (second / second.sum(), 20), (first / first.sum(), 20)], 256)
    assert worst < 1.0
    assert last < 1.0


def test_fixed_point_is_exact():
    fixed = to_fixed_point(np.array([1 / 3, 1 / 3, 1 / 3, 0.0]))
    assert fixed.sum() == ONE
    assert fixed[3] == 0
    assert fixed.tolist()[:3] == pytest.approx([ONE / 3] * 3, abs=1)
