from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.ledger import Ledger
from mmbert_composer.data.prepare import claimed
from mmbert_composer.data.preparing.routed import PackUnit, Routed, RoutedStream, deal
from mmbert_composer.data.preparing.sorted_spill import HASHES
from mmbert_composer.errors import UserError
from tests.data.preparing.conftest import Request, quiet


@given(st.integers(1, 5000))
def test_ranges_of_a_stream_cover_all_hashes_once(count: int) -> None:
    ranges = [PackUnit("a/b", index, count, 1).range() for index in range(count)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == HASHES
    assert all(before[1] == after[0] for before, after in pairwise(ranges))


def test_large_streams_are_cut_and_those_of_few_documents_are_not() -> None:
    streams = {
        "a/eng": RoutedStream(documents=10_000, bytes=1001),
        "a/deu": RoutedStream(documents=10_000, bytes=100),
        "a/fra": RoutedStream(documents=499, bytes=10_000),
        "a/swh": RoutedStream(documents=1_000, bytes=10_000),
    }
    units = Routed(Ledger(), streams).units(range_bytes=100)
    assert [unit.bytes for unit in units] == sorted((unit.bytes for unit in units), reverse=True)
    assert {name: sum(unit.stream == name for unit in units) for name in streams} == {
        "a/eng": 11,
        "a/deu": 1,
        "a/fra": 1,
        "a/swh": 2,
    }


def test_units_are_dealt_evenly_and_each_once() -> None:
    units = [PackUnit(f"a/{size:03}", 0, 1, size) for size in range(100, 0, -1)]
    dealt = deal(units, 7)
    assert sorted((unit for units in dealt for unit in units), key=lambda unit: -unit.bytes) == units
    loads = [sum(unit.bytes for unit in units) for units in dealt]
    assert max(loads) - min(loads) <= 2
    assert deal(units[:2], 4)[2:] == [[], []]


def test_packing_waits_for_all_reading(corpus: str, request_of: Request) -> None:
    with claimed(request_of(corpus), quiet) as runner:
        assert runner is not None
        with pytest.raises(
            UserError, match=r"1 tasks that read input are not done \(numbers 0\): `mmbert prepare work"
        ):
            runner.names(1)
        with pytest.raises(UserError, match=r"task 2 does not exist: the plan in .* has 2 tasks"):
            runner.names(2)
