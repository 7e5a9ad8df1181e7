import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.packing import MIN_REST, pack, pack_pools, split_lengths, to_sequences


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


@given(
    st.lists(st.lists(st.integers(1, 40), max_size=30), max_size=8),
    st.integers(1, 400),
)
def test_pools_hold_every_sequence_once(batches: list[list[int]], pool_tokens: int) -> None:
    number = iter(range(1000))
    made = [[np.full(length, next(number), np.uint32) for length in batch] for batch in batches]
    blocks = list(pack_pools(made, 40, pool_tokens))
    packed = sorted((int(sequence[0]), len(sequence)) for block in blocks for sequence in block)
    assert packed == [(int(sequence[0]), len(sequence)) for batch in made for sequence in batch]
    assert all(0 < sum(map(len, block)) <= 40 for block in blocks)


def test_the_emptiest_blocks_of_a_pool_are_filled_by_the_next() -> None:
    batches = [[np.zeros(length, np.uint32) for length in lengths] for lengths in ([10, 4], [10, 6])]
    assert [list(map(len, block)) for block in pack_pools(batches, 10, 14)] == [[10], [10], [6, 4]]


def test_sequences_that_never_fill_a_block_do_not_pile_up() -> None:
    batches = ([np.zeros(6, np.uint32)] * 100 for _ in range(50))
    seen = 0
    for number, _ in enumerate(pack_pools(batches, 10, 600)):
        seen = number + 1
    assert seen == 5000


def test_five_thousand_documents_need_no_block_more_than_their_tokens_do() -> None:
    lengths = np.exp(np.random.default_rng(0).normal(np.log(700) - 0.5, 1.0, 5000)).clip(3, 8192).astype(int)
    blocks = pack(lengths.tolist(), 8192)
    assert len(blocks) == -(-lengths.sum() // 8192)


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
