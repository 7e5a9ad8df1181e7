"""Groups of a run's streams: by the phase they join in, by script, by size. Pure but for the text of a stream."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mmbert_composer.curriculum import SegmentPlan
from mmbert_composer.errors import UserError, did_you_mean

SIZES = ("largest", "middle", "smallest")
GROUPS = ("joined", "script", "size")


def joined_in(plan: SegmentPlan, streams: Sequence[str]) -> dict[str, str]:
    """Stream to the phase whose segments draw from it first; those that are never drawn from are left out."""
    drawn = plan.blocks > 0
    first = {
        name: plan.phases[int(drawn[:, number].argmax())]
        for number, name in enumerate(plan.streams)
        if drawn[:, number].any()
    }
    return {name: first[name] for name in streams if name in first}


def by_size(tokens: Mapping[str, int]) -> dict[str, str]:
    """Stream to the third it is in by its training tokens: nine of them give three each, equals by name."""
    ranked = sorted(tokens, key=lambda name: (-tokens[name], name))
    thirds = np.array_split(np.arange(len(ranked)), len(SIZES))
    return {ranked[row]: size for size, rows in zip(SIZES, thirds, strict=True) for row in rows.tolist()}


def group_means(values: Mapping[str, float], group_of: Mapping[str, str]) -> dict[str, float]:
    """Group to the mean over its streams, each counting the same; streams of no group are left out."""
    groups: dict[str, list[float]] = {}
    for name, value in values.items():
        if name in group_of:
            groups.setdefault(group_of[name], []).append(value)
    return {group: float(np.mean(members)) for group, members in sorted(groups.items())}


def check_groups(names: Sequence[str], where: str) -> tuple[str, ...]:
    """``names`` if all are known; a UserError that names the nearest."""
    for name in names:
        if name not in GROUPS:
            raise UserError(f"{where}: unknown group {name!r}: {did_you_mean(name, GROUPS)}")
    return tuple(names)


def groups_of(
    names: Sequence[str],
    streams: Sequence[str],
    plan: SegmentPlan,
    tokens: Mapping[str, int],
    scripts: Callable[[], Mapping[str, str]],
) -> dict[str, dict[str, str]]:
    """Kind of group to {stream: group}, for the kinds in ``names``; ``scripts`` is asked where it is needed."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if name == "joined":
            found[name] = joined_in(plan, streams)
        elif name == "size":
            found[name] = by_size({stream: tokens[stream] for stream in streams})
        else:
            found[name] = dict(scripts())
    return found
