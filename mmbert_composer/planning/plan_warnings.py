"""What of a plan may not be meant: languages held at max_passes, shares below a block."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from mmbert_composer.curriculum import Curriculum, SegmentPlan, StreamSize, make_plan
from mmbert_composer.planning.run_plan import PhasePlan

MANY_PASSES = 5.0
"""From here on repetition is worth a warning where ``max_passes`` is null."""

NAMED = 3


def plan_warnings(
    curriculum: Curriculum,
    plan: SegmentPlan,
    phases: Sequence[PhasePlan],
    sizes: Mapping[str, StreamSize],
    cursors: Mapping[str, int] | None,
) -> list[str]:
    """One line each: streams that their share would repeat more than ``max_passes`` times, shares below a block."""
    return [*_repeated(curriculum, plan, sizes, cursors), *_below_a_block(curriculum, phases)]


def _repeated(
    curriculum: Curriculum, plan: SegmentPlan, sizes: Mapping[str, StreamSize], cursors: Mapping[str, int] | None
) -> list[str]:
    limit, uncapped = curriculum.max_passes, plan
    if limit is not None:
        free = copy.copy(curriculum)
        free.max_passes = None
        uncapped = make_plan(free, sizes, data_seed=plan.data_seed, cursors=cursors)
    passes = uncapped.cursors_at(uncapped.num_segments) / uncapped.stream_blocks
    over = [number for number in np.argsort(-passes, kind="stable") if passes[number] > (limit or MANY_PASSES)]
    if not over:
        return []
    named = ", ".join(f"{uncapped.streams[number]} {passes[number]:,.0f} times" for number in over[:NAMED])
    more = f" and {len(over) - NAMED:,} more" if len(over) > NAMED else ""
    if limit is None:
        return [
            f"curriculum.max_passes is null, and {named}{more} are repeated; max_passes: {MANY_PASSES:g} holds them"
        ]
    return [
        f"by their share alone {named}{more} would be repeated; they are held at max_passes={limit:g}, and what that "
        f"frees goes to the other streams of their source"
    ]


def _below_a_block(curriculum: Curriculum, phases: Sequence[PhasePlan]) -> list[str]:
    lines: list[str] = []
    for phase, placed in zip(phases, curriculum.phases, strict=True):
        streams = {name: blocks for source in phase.sources.values() for name, (blocks, _) in source.streams.items()}
        few = [name for name, blocks in streams.items() if 0 < blocks < placed.segments]
        none = [name for name, blocks in streams.items() if blocks == 0]
        if few:
            lines.append(
                f"phase {phase.name!r}: the share of {_listed(few, streams)} is below one block a segment: they "
                f"come in some of its {placed.segments} segments alone"
            )
        if none:
            lines.append(
                f"phase {phase.name!r}: the share of {_listed(none, streams)} is below one block of the whole phase "
                f"(or max_passes left nothing): they are not drawn at all"
            )
    return lines


def _listed(names: Sequence[str], streams: Mapping[str, int]) -> str:
    if len(names) == 1:
        return names[0]
    more = ", ..." if len(names) > NAMED else ""
    return f"{len(names):,} of {len(streams):,} streams ({', '.join(names[:NAMED])}{more})"
