import math

import numpy as np
import pytest
import torch
from plain_methods import plain_trim

from mmbert_composer.merging.magnitude_threshold import (
    Bracket,
    Threshold,
    bracket,
    count_slice,
    count_to_keep,
    find_threshold,
    trim,
)

SLICE = 1000


def _random(size, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def _trimmed(delta, keep, where):
    """``delta`` trimmed slice by slice, or None if the bracket missed."""
    parts = [part.clone() for part in delta.split(SLICE)]
    threshold = find_threshold([count_slice(part.abs().numpy(), where) for part in parts], keep, where)
    if threshold is None:
        return None
    for number, part in enumerate(parts):
        trim(part, threshold, number)
    return torch.cat(parts)


def test_the_docstrings_example():
    row = torch.tensor([4.0, -1.0, 2.0, -2.0])
    trim(row, Threshold(2.0, 0, 1), 0)
    assert row.tolist() == [4.0, 0.0, 2.0, 0.0]


def test_slices_before_the_last_keep_their_ties_and_later_ones_lose_them():
    for number, expected in enumerate([[2.0, -2.0, 3.0], [2.0, 0.0, 3.0], [0.0, 0.0, 3.0]]):
        row = torch.tensor([2.0, -2.0, 3.0])
        trim(row, Threshold(2.0, 1, 1), number)
        assert row.tolist() == expected


def test_how_many_are_kept():
    assert count_to_keep(0.2, 9) == 1
    assert count_to_keep(0.01, 9) == 1
    assert count_to_keep(0.5, 9) == 4


@pytest.mark.parametrize("density", [0.001, 0.2, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("digits", [0, 1, 8])
def test_exactly_as_many_survive_as_were_asked_for(density, digits):
    delta = _random(5300).mul(10**digits).round().div(10**digits)  # few digits: many of equal magnitude
    keep = count_to_keep(density, len(delta))
    everything = [part.abs().numpy() for part in delta.split(SLICE)]
    trimmed = _trimmed(delta, keep, bracket(everything, keep, len(delta)))
    assert torch.equal(trimmed, plain_trim(delta, keep))


def test_a_sample_is_enough_to_find_the_exact_threshold():
    delta = _random(20_000)
    pieces = [delta[start : start + 50].abs().numpy() for start in range(0, 20_000, 400)]
    keep = count_to_keep(0.2, len(delta))
    where = bracket(pieces, keep, len(delta))
    assert where.low < where.high
    assert torch.equal(_trimmed(delta, keep, where), plain_trim(delta, keep))
    inside = ((delta.abs() >= where.low) & (delta.abs() <= where.high)).float().mean()
    assert inside < 0.3


def test_a_bracket_that_missed_is_noticed():
    delta = _random(3000)
    assert _trimmed(delta, 600, Bracket(2.0, 3.0)) is None  # too high: fewer than 600 above 2
    assert _trimmed(delta, 600, Bracket(0.1, 0.5)) is None  # too low: more than 600 above 0.5
    assert torch.equal(_trimmed(delta, 600, Bracket(0.0, math.inf)), plain_trim(delta, 600))


def test_a_wider_bracket_takes_in_everything_in_the_end():
    pieces = [_random(100, seed).abs().numpy() for seed in range(8)]
    assert bracket(pieces, 20_000, 100_000, widen=100.0) == Bracket(0.0, math.inf)


def test_alike_neighbours_make_a_wide_bracket():
    independent = [_random(64, seed).abs().numpy() for seed in range(64)]
    alike = [np.full(64, value, np.float32) for value in np.abs(_random(64).numpy())]
    narrow, wide = (bracket(pieces, 20_000, 100_000) for pieces in (independent, alike))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_zeros_are_kept_without_being_collected():
    delta = torch.zeros(4000)
    delta[::10] = _random(400)
    keep = count_to_keep(0.5, 4000)
    where = bracket([delta.abs().numpy()], keep, 4000)
    assert where == Bracket(0.0, 0.0)
    assert len(count_slice(delta.abs().numpy(), where).values) == 0
    assert torch.equal(_trimmed(delta, keep, where), delta)


def test_many_equal_values_are_counted_not_kept():
    magnitudes = np.tile(np.array([1.0, 2.0], np.float32), 50_000)
    counted = count_slice(magnitudes, Bracket(0.5, 2.5))
    assert (counted.values.tolist(), counted.counts.tolist()) == ([1.0, 2.0], [50_000, 50_000])
    few = count_slice(np.array([2.0, 1.0], np.float32), Bracket(0.5, 2.5))
    assert few.counts is None
    assert find_threshold([counted], 50_001, Bracket(0.5, 2.5)) == Threshold(1.0, 0, 1)
    assert find_threshold([counted, few], 100_002, Bracket(0.5, 2.5)) == Threshold(1.0, 1, 1)
    assert find_threshold([few, counted], 50_003, Bracket(0.5, 2.5)) == Threshold(1.0, 1, 1)
    assert find_threshold([few, counted], 100_003, Bracket(0.5, 2.5)) is None


def test_the_smallest_numbers_there_are():
    delta = torch.tensor([1e-45, -2e-45, 0.0, 3e-38])
    where = bracket([delta.abs().numpy()], 2, 4)
    assert torch.equal(_trimmed(delta, 2, where), plain_trim(delta, 2))
