import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.evaluation.length_batches import length_batches


def test_like_lengths_together():
    assert [rows.tolist() for rows in length_batches([3, 9, 8, 3], 18)] == [[1, 2], [0, 3]]


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 400))
def test_every_text_once_within_the_bounds(lengths, tokens_at_once):
    batches = list(length_batches(lengths, tokens_at_once))
    assert sorted(np.concatenate([*batches, np.empty(0, int)]).tolist()) == list(range(len(lengths)))
    for rows in batches:
        inside = [lengths[row] for row in rows]
        assert len(rows) == 1 or max(inside) * len(rows) <= tokens_at_once or max(inside) == 0
        assert max(inside) - min(inside) <= max(inside) // 8
