"""Which faults a soak holds: every kind that was asked for, at steps spread over the run."""

import random
from collections.abc import Sequence

from tests.soak.faults import DAMAGE, KILLS, SIGNALS, Fault

ENOUGH = 40
"""Steps after which there are several checkpoints to choose from."""

RANK, LAUNCHER, ALL, AT_ONCE = KILLS
FULL_DISK = "full disk, then kill -9 of all"

MIXED = [
    *[("while starting", what) for what in (LAUNCHER, ALL)],
    *[("in a step", what) for what in (*KILLS, *SIGNALS, FULL_DISK)],
    *[("in a save", what) for what in (RANK, LAUNCHER, ALL)],
    *[("at a segment's end", what) for what in (RANK, ALL)],
]
"""Rows of the run whose number of ranks changes; one for each phase's end, merge and export are added."""

SAME = [
    ("while starting", RANK),
    *[("in a step", what) for what in (RANK, LAUNCHER, ALL)],
    *[("in a save", what) for what in (RANK, ALL)],
    ("at a segment's end", LAUNCHER),
]
"""Rows of the run that keeps its number of ranks."""


def schedule(
    rows: Sequence[tuple[str, str]],
    ranks: Sequence[int],
    *,
    phase_ends: Sequence[int],
    source: random.Random,
    at_the_end: Sequence[tuple[str, str]] = (),
    damages: Sequence[str] = (),
) -> list[Fault]:
    """Faults in the order of their steps.

    Args:
        rows: (where, what), spread evenly in random order.
        ranks: counts to choose from.
        phase_ends: the steps that end the phases; at each but the last everything is killed.
        source: of all choices.
        at_the_end: rows for when training is over.
        damages: to be done before later rows.
    """
    shuffled = list(rows)
    source.shuffle(shuffled)
    room = phase_ends[-1] / (len(shuffled) + 1)
    placed = [(int((n + source.uniform(0.2, 0.8)) * room), *row) for n, row in enumerate(shuffled)]
    # A segment's end is waited for from the step on, so this one comes last before the phase's end.
    placed += [(end - 3, "at a phase's end", source.choice([RANK, ALL])) for end in phase_ends[:-1]]
    placed = sorted(placed) + [(phase_ends[-1], *row) for row in at_the_end]
    late = [
        n
        for n, (step, where, _) in enumerate(placed)
        if n and placed[n - 1][0] > ENOUGH and step < phase_ends[-1] and where != "while starting"
    ]
    damaged = dict(zip(sorted(source.sample(late, len(damages))), damages, strict=True))
    faults = []
    for number, (step, where, what) in enumerate(placed):
        fitting = [count for count in ranks if count > 1] if what == RANK and max(ranks) > 1 else list(ranks)
        faults.append(Fault(step, source.choice(fitting), where, what, damaged.get(number, "")))
    return faults


def mixed_schedule(phase_ends: Sequence[int], more_kills: int, source: random.Random) -> list[Fault]:
    """Every kind of fault, on 1, 2 and 4 ranks; ``more_kills`` in random steps besides."""
    rows = [*MIXED, *[("in a step", source.choice(list(KILLS))) for _ in range(more_kills)]]
    ends = [("in the merge", ALL), ("in the export", LAUNCHER)]
    return schedule(rows, (1, 2, 2, 4), phase_ends=phase_ends, source=source, at_the_end=ends, damages=[*DAMAGE])


def same_schedule(phase_ends: Sequence[int], source: random.Random) -> list[Fault]:
    """Kills alone, always on 4 ranks."""
    return schedule(SAME, (4,), phase_ends=phase_ends, source=source)


def count_kills(faults: Sequence[Fault]) -> int:
    return sum(fault.what in KILLS or fault.what == FULL_DISK for fault in faults)
