import random

from tests.soak.faults import DAMAGE, KILLS, SIGNALS, WHERE
from tests.soak.schedule import ALL, FULL_DISK, RANK, count_kills, mixed_schedule, same_schedule

ENDS = [112, 256, 368]


def test_every_kind_and_twenty_kills():
    for seed in range(20):
        source = random.Random(seed)
        mixed, same = mixed_schedule(ENDS, 0, source), same_schedule(ENDS, source)
        assert {fault.where for fault in mixed} == set(WHERE)
        assert {fault.what for fault in mixed} == {*KILLS, *SIGNALS, FULL_DISK}
        assert {fault.damage for fault in mixed} == {"", *DAMAGE}
        assert {fault.ranks for fault in mixed} <= {1, 2, 4}
        assert {fault.ranks for fault in same} == {4}
        assert {fault.what for fault in same} <= set(KILLS)
        assert count_kills([*mixed, *same]) >= 20
        for faults in (mixed, same):
            assert [fault.step for fault in faults] == sorted(fault.step for fault in faults)
            # a run on one rank has none to lose but all
            assert all(fault.ranks > 1 for fault in faults if fault.what == RANK)


def test_the_seed_decides():
    first, again, other = (mixed_schedule(ENDS, 3, random.Random(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len(mixed_schedule(ENDS, 0, random.Random(1))) + 3
    assert first[-2].what == ALL
