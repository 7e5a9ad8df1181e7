import numpy as np
import pytest
import streaming.base.dataset
from streaming.base.spanner import Spanner

from mmbert_composer.runtime.lean_spanner import LeanSpanner, lean_spanner


def test_finds_what_streamings_own_finds():
    sizes = np.array([3, 1, 700, 1500, 2, 2043])
    theirs, ours = Spanner(sizes.copy()), LeanSpanner(sizes)
    assert [ours[index] for index in range(sizes.sum())] == [theirs[index] for index in range(sizes.sum())]
    for index in (-1, sizes.sum()):
        with pytest.raises(IndexError, match="Invalid sample index"):
            ours[index]


def test_stands_there_only_inside():
    with lean_spanner():
        assert streaming.base.dataset.Spanner is LeanSpanner
    assert streaming.base.dataset.Spanner is Spanner
