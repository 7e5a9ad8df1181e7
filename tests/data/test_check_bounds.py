import numpy as np
import pytest

from mmbert_composer.data.check_bounds import check_bounds
from mmbert_composer.errors import UserError


@pytest.mark.parametrize("bounds", [[0, 7], [0, 3, 3, 7, 7], [0, 4, 7]])
def test_bounds_that_fit(bounds: list[int]):
    check_bounds(np.array(bounds, np.int32), 7, 7)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([0, 3], r"cu_seqlens must rise from 0 to the 7 tokens of the batch, got \[0\] to \[3\]"),
        ([0, 9], r"got \[0\] to \[9\]: rows outside of it would be undefined"),
        ([1, 7], r"got \[1\] to \[7\]"),
        ([0, 5, 3, 7], "must rise"),
        ([7], "must rise"),
        ([], "must rise"),
        ([0, 1, 7], "a sequence of 6 tokens is longer than max_seqlen=5"),
    ],
)
def test_bounds_that_do_not(bounds: list[int], message: str):
    with pytest.raises(UserError, match=message):
        check_bounds(np.array(bounds, np.int32), 5, 7)
