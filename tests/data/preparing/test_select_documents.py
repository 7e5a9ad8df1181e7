import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.preparing.select_documents import (
    Verdict,
    keep_or_drop,
    mark_candidates,
    mark_surplus,
    num_new,
)

T, C, D, H, S = Verdict.TRAIN, Verdict.CANDIDATE, Verdict.DUPLICATE, Verdict.HELD_OUT_BEFORE, Verdict.SURPLUS


def arrays(hashes: list[int], trained: tuple[int, ...] = (), held: tuple[int, ...] = ()):
    ordered = np.array(sorted(hashes), np.uint64)
    return ordered, np.isin(ordered, np.array(trained, np.uint64)), np.isin(ordered, np.array(held, np.uint64))


@pytest.mark.parametrize(
    ("dedup", "expected"),
    [(False, [T, T, T, T, H, T]), (True, [T, D, T, D, H, T])],
)
def test_equal_and_known_texts(dedup: bool, expected: list[Verdict]) -> None:
    hashes, trained, held = arrays([1, 1, 3, 5, 7, 9], trained=(5,), held=(7,))
    assert keep_or_drop(hashes, trained, held, dedup).tolist() == expected


def test_of_equal_held_out_texts_each_has_that_reason() -> None:
    hashes, trained, held = arrays([1, 7, 7, 9], held=(7,))
    assert keep_or_drop(hashes, trained, held, dedup=True).tolist() == [T, H, H, T]


def test_candidates_are_the_lowest_new_texts() -> None:
    hashes, trained, held = arrays([1, 2, 2, 4, 5], trained=(1,))
    verdicts = keep_or_drop(hashes, trained, held, dedup=False)
    assert num_new(verdicts, trained) == 4
    mark_candidates(verdicts, hashes, trained, 4)
    assert verdicts.tolist() == [T, C, C, T, T]


def test_one_new_document_is_trained_on() -> None:
    hashes, trained, held = arrays([1, 2], trained=(2,))
    verdicts = keep_or_drop(hashes, trained, held, dedup=True)
    mark_candidates(verdicts, hashes, trained, num_new(verdicts, trained))
    assert verdicts.tolist() == [T, D]


def test_of_a_large_stream_the_lowest_range_alone_is_enough() -> None:
    limit = (2 << 64) // 100
    hashes, trained, held = arrays([limit - 2, limit - 1, limit, limit + 1])
    verdicts = keep_or_drop(hashes, trained, held, dedup=False)
    mark_candidates(verdicts, hashes, trained, documents=500)
    assert verdicts.tolist() == [C, C, T, T]


def test_the_lowest_training_documents_are_the_surplus() -> None:
    verdicts = np.array([C, T, D, T, T], np.uint8)
    mark_surplus(verdicts, 2)
    assert verdicts.tolist() == [C, S, D, T, T]
    mark_surplus(verdicts, 9)
    assert verdicts.tolist() == [C, S, D, T, T]
    mark_surplus(verdicts, 0)
    assert verdicts.tolist() == [C, S, D, S, S]


@given(
    st.lists(st.integers(0, 30), max_size=60),
    st.sets(st.integers(0, 30)),
    st.sets(st.integers(0, 30)),
    st.booleans(),
    st.integers(0, 40),
)
def test_a_text_is_never_on_both_sides(
    values: list[int], trained: set[int], held: set[int], dedup: bool, most: int
) -> None:
    hashes, trained_before, held_before = arrays(values, tuple(trained - held), tuple(held))
    verdicts = keep_or_drop(hashes, trained_before, held_before, dedup)
    mark_candidates(verdicts, hashes, trained_before, num_new(verdicts, trained_before))
    mark_surplus(verdicts, most)
    by = {verdict: set(hashes[verdicts == verdict].tolist()) for verdict in Verdict}
    assert not by[C] & (by[T] | by[S] | (trained - held) | held)
    assert not by[T] & held
    assert np.count_nonzero(verdicts == T) <= most
    if dedup:
        assert len(by[T]) + len(by[C]) == np.count_nonzero((verdicts == T) | (verdicts == C))
        assert not by[T] & (trained - held)
