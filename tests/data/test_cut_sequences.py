from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.cut_sequences import cut_sequences

PAD, EOS, BOS = 0, 1, 2


def block_of(lengths, block_size):
    ids = np.zeros(block_size, np.int64)
    place = 0
    for length in lengths:
        ids[place : place + length] = [BOS, *range(10, 8 + length), EOS]
        place += length
    return ids, np.cumsum([0, *lengths]).astype(np.int32)


def test_a_long_sequence_by_hand():
    ids, ends = block_of([10, 4], 16)
    cu_seqlens = cut_sequences(ids[None], [ends], 4, bos_id=BOS, eos_id=EOS)
    # 10 tokens are 3 pieces of 4, 3 and 3; the tail of 2 is a sequence of its own
    assert cu_seqlens.tolist() == [0, 4, 7, 10, 14, 16]
    assert ids.tolist() == [BOS, 10, 11, EOS, BOS, 14, EOS, BOS, 17, EOS, BOS, 10, 11, EOS, PAD, PAD]


def test_a_sequence_of_one_more_than_the_limit():
    ids, ends = block_of([1025], 2048)
    cu_seqlens = cut_sequences(ids[None], [ends], 1024, bos_id=BOS, eos_id=EOS)
    assert cu_seqlens.tolist() == [0, 513, 1025, 2048]
    assert (ids[512], ids[513]) == (EOS, BOS)


def test_nothing_changes_where_nothing_is_too_long():
    ids, ends = block_of([8, 8], 16)
    before = ids.copy()
    assert cut_sequences(ids[None], [ends], 8, bos_id=BOS, eos_id=EOS).tolist() == [0, 8, 16]
    assert np.array_equal(ids, before)


@given(st.lists(st.lists(st.integers(2, 40), min_size=1, max_size=6), min_size=1, max_size=4), st.integers(4, 64))
def test_invariants(blocks, limit):
    block_size = max(sum(lengths) for lengths in blocks) + 3
    built = [block_of(lengths, block_size) for lengths in blocks]
    ids = np.stack([block for block, _ in built])
    before = ids.copy()
    cu_seqlens = cut_sequences(ids, [ends for _, ends in built], limit, bos_id=BOS, eos_id=EOS)
    pieces = np.diff(cu_seqlens)
    assert cu_seqlens[0] == 0
    assert cu_seqlens[-1] == ids.size  # the last one ends at the number of rows
    assert (pieces > 0).all()
    assert pieces.max() <= limit
    flat = ids.reshape(-1)
    for start, end in pairwise(cu_seqlens):
        if flat[start] != PAD:
            assert flat[start] == BOS
            assert flat[end - 1] == EOS
    # only edges of pieces changed, and every original edge is still one
    changed = np.flatnonzero(flat != before.reshape(-1))
    assert set(changed) <= set(cu_seqlens[:-1]) | set(cu_seqlens[1:] - 1)
    offsets = np.arange(len(built)) * block_size
    for offset, (_, ends) in zip(offsets, built, strict=True):
        assert set((ends + offset).tolist()) <= set(cu_seqlens.tolist())


def test_pieces_of_a_sequence_differ_by_at_most_one():
    ids, ends = block_of([1000], 1000)
    pieces = np.diff(cut_sequences(ids[None], [ends], 96, bos_id=BOS, eos_id=EOS))
    assert len(pieces) == 11
    assert pieces.max() - pieces.min() <= 1


@pytest.mark.parametrize("limit", [4, 7, 16])
def test_padding_is_never_an_edge_token(limit):
    ids, ends = block_of([5], 64)
    cut_sequences(ids[None], [ends], limit, bos_id=BOS, eos_id=EOS)
    assert (ids[5:] == PAD).all()
