import numpy as np
import pytest

from mmbert_composer.data.held_out_split import num_candidates, text_edges


def hashes(*values: int) -> np.ndarray:
    return np.array(sorted(values), np.uint64)


@pytest.mark.parametrize(("documents", "expected"), [(0, 0), (1, 0), (2, 1), (49, 1), (99, 1), (100, 2), (499, 9)])
def test_small_streams_hold_out_two_percent_of_distinct_texts_and_at_least_one(documents: int, expected: int) -> None:
    assert num_candidates(hashes(*range(documents))) == expected


def test_large_streams_hold_out_the_lowest_two_percent_of_the_range() -> None:
    edge = (2 << 64) // 100
    low, high = [edge - 1 - i for i in range(7)], [edge + i for i in range(493)]
    assert num_candidates(hashes(*low, *high)) == 7
    assert num_candidates(hashes(*high, *range(edge, edge + 7))) == 0


def test_equal_texts_stay_together() -> None:
    assert num_candidates(hashes(5, 5, 5, 9)) == 3
    assert num_candidates(hashes(*[1] * 30, *[2] * 30, *range(3, 50))) == 60
    assert num_candidates(hashes(7, 7)) == 2
    assert text_edges(hashes(5, 5, 9)).tolist() == [0, 2, 3]
