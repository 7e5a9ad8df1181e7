import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.packing import MIN_REST, pack, split_lengths, to_sequences


@given(lengths=st.lists(st.integers(1, 40), max_size=80), most=st.integers(1, 6))
def test_every_sequence_is_in_one_block_that_holds_it(lengths: list[int], most: int) -> None:
    blocks = pack(lengths, 40, most)
    assert sorted(index for block in blocks for index in block) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in block) <= 40 for block in blocks)
    assert all(1 <= len(block) <= most for block in blocks)


def test_the_longest_go_first_and_each_where_least_is_left() -> None:
    assert pack([3, 7, 6, 4, 2], 10) == [[1, 0], [2, 3], [4]]


def test_at_most_512_sequences_a_block() -> None:
    assert [len(block) for block in pack([3] * 1100, 8192)] == [512, 512, 76]


def test_five_thousand_documents_fill_blocks() -> None:
    lengths = np.exp(np.random.default_rng(0).normal(np.log(700) - 0.5, 1.0, 5000)).clip(3, 8192).astype(int)
    blocks = pack(lengths.tolist(), 8192)
    assert lengths.sum() / (len(blocks) * 8192) >= 0.995


def test_a_sequence_longer_than_a_block_is_our_bug() -> None:
    with pytest.raises(ValueError, match=r"sequence 1 has 11 tokens, must be in \[1, 10\]"):
        pack([3, 11], 10)


@pytest.mark.parametrize(
    ("length", "limit", "expected"),
    [(5, 8, [5]), (8, 8, [8]), (16, 8, [8, 8]), (20, 8, [8, 8, 4]), (17, 16, [9, 8]), (33, 16, [16, 9, 8])],
)
def test_long_documents_are_cut_into_full_pieces_and_a_rest(length: int, limit: int, expected: list[int]) -> None:
    assert split_lengths(length, limit) == expected


@given(length=st.integers(1, 500), limit=st.integers(4, 70))
def test_pieces_are_the_fewest_and_none_is_a_crumb(length: int, limit: int) -> None:
    pieces = split_lengths(length, limit)
    assert sum(pieces) == length
    assert len(pieces) == -(-length // limit)
    assert max(pieces) <= limit
    assert len(pieces) == 1 or min(pieces) >= MIN_REST * limit


def test_sequences_carry_their_own_bos_and_eos() -> None:
    sequences = to_sequences(np.arange(10, 20, dtype=np.uint32), 8, bos=2, eos=1)
    assert [s.tolist() for s in sequences] == [[2, 10, 11, 12, 13, 14, 15, 1], [2, 16, 17, 18, 19, 1]]
    assert all(s.dtype == np.uint32 for s in sequences)
