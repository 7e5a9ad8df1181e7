import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.curriculum.temperature_shares import cap_shares, temperature_shares
from mmbert_composer.errors import UserError

counts = st.lists(st.integers(1, 10**12), min_size=2, max_size=40).map(lambda values: np.array(values, np.int64))


def test_by_hand():
    assert temperature_shares(np.array([16, 1]), 0.5).tolist() == pytest.approx([0.8, 0.2])
    assert temperature_shares(np.array([16, 1]), 1.0).tolist() == pytest.approx([16 / 17, 1 / 17])
    assert temperature_shares(np.array([16, 1]), 0.0).tolist() == pytest.approx([0.5, 0.5])


@given(counts, st.floats(0, 1), st.floats(0, 1))
def test_monotone_in_tau(tokens, one, other):
    low, high = sorted((one, other))
    flat, steep = temperature_shares(tokens, low), temperature_shares(tokens, high)
    largest, smallest = int(np.argmax(tokens)), int(np.argmin(tokens))
    assert flat.sum() == pytest.approx(1.0)
    assert steep[largest] >= flat[largest] - 1e-12
    assert steep[smallest] <= flat[smallest] + 1e-12


@pytest.mark.parametrize("tau", [-0.1, 1.1])
def test_refuses_tau(tau):
    with pytest.raises(UserError, match=r"must be in \[0, 1\]"):
        temperature_shares(np.array([1, 2]), tau)


def test_cap_by_hand():
    capped = cap_shares(np.array([[0.5, 0.3, 0.2]]), 100, np.array([20.0, 90.0, 90.0]))
    assert capped[0].tolist() == pytest.approx([0.2, 0.48, 0.32])


def test_cap_is_repeated_until_stable():
    # capping the first pushes the second over its own cap
    capped = cap_shares(np.array([[0.5, 0.3, 0.2]]), 100, np.array([20.0, 40.0, 90.0]))
    assert capped[0].tolist() == pytest.approx([0.2, 0.4, 0.4])


@given(st.integers(1, 5), counts, st.floats(0, 1), st.floats(0, 1), st.integers(1, 1000), st.data())
def test_caps_hold_and_rows_sum_to_one(segments, tokens, tau, end, blocks, data):
    shares = np.stack([temperature_shares(tokens, tau + (end - tau) * n / segments) for n in range(segments)])
    needed = blocks * segments
    caps = np.array(data.draw(st.lists(st.integers(1, needed), min_size=len(tokens), max_size=len(tokens))), float)
    if caps.sum() < needed:
        with pytest.raises(UserError, match="all streams capped"):
            cap_shares(shares, blocks, caps)
        return
    capped = cap_shares(shares, blocks, caps)
    assert capped.sum(axis=1) == pytest.approx(np.ones(segments))
    assert (capped >= 0).all()
    if segments == 1 or tau == end:
        assert (blocks * capped.sum(axis=0) <= caps * (1 + 1e-6) + 1e-6).all()


def test_order_of_streams_does_not_matter():
    tokens, caps = np.array([900, 50, 30, 20]), np.array([30.0, 200.0, 200.0, 10.0])
    order = [2, 0, 3, 1]
    one = cap_shares(temperature_shares(tokens, 0.5)[None], 100, caps)[0]
    other = cap_shares(temperature_shares(tokens[order], 0.5)[None], 100, caps[order])[0]
    assert one[order] == pytest.approx(other)
