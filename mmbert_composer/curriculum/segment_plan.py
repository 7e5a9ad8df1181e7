"""The frozen plan: how many blocks each stream gives to each segment, with its chain of hashes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.curriculum.apportion import ONE, apportion, to_fixed_point
from mmbert_composer.curriculum.curriculum import Curriculum
from mmbert_composer.curriculum.mixture import StreamSize, phase_shares, select_streams
from mmbert_composer.errors import UserError

FORMAT = 1


@dataclass(frozen=True)
class SegmentPlan:
    """Blocks of each stream in each segment of a run.

    ``cursors``: blocks of each stream drawn before the run (a run that continues another one).
    ``shuffle_window``: blocks of a stream that are shuffled together; None is all of a part.
    ``blocks``: [segments, streams]. ``chain``: num_segments + 1 hashes; link k covers everything drawn
    before segment k, so a checkpoint that reached link k can be continued by any plan with the same link.
    """

    block_size: int
    segment_blocks: int
    data_seed: int
    streams: tuple[str, ...]
    sizes: tuple[StreamSize, ...]
    cursors: NDArray[np.int64]
    phases: tuple[str, ...]
    blocks: NDArray[np.int64]
    shuffle_window: int | None = None

    @property
    def num_segments(self) -> int:
        return len(self.blocks)

    @cached_property
    def _drawn(self) -> NDArray[np.int64]:
        """[segments + 1, streams] blocks drawn before each segment, cursors included."""
        return np.concatenate([self.cursors[None], self.cursors + np.cumsum(self.blocks, axis=0)])

    def cursors_at(self, segment: int) -> NDArray[np.int64]:
        """[streams] blocks drawn before ``segment``, those of an earlier run included."""
        return self._drawn[segment]

    @cached_property
    def stream_blocks(self) -> NDArray[np.int64]:
        """[streams] blocks that each stream holds."""
        return np.array([size.blocks for size in self.sizes], np.int64)

    @cached_property
    def chain(self) -> tuple[str, ...]:
        base = [FORMAT, self.block_size, self.segment_blocks, self.data_seed]
        if self.shuffle_window is not None:  # absent in plans of runs before there was one
            base.append(self.shuffle_window)
        link = _digest(json.dumps(base).encode())
        links = [link]
        for segment in range(self.num_segments):
            drawn = np.flatnonzero(self.blocks[segment])
            rows = [
                [
                    self.streams[i],
                    int(self._drawn[segment, i]),
                    int(self.blocks[segment, i]),
                    self.sizes[i].blocks,
                ]
                for i in map(int, drawn)
            ]
            link = _digest((link + json.dumps([self.phases[segment], rows])).encode())
            links.append(link)
        return tuple(links)

    def to_json(self) -> dict[str, object]:
        """The contents of ``plan.json``."""
        return {
            "format": FORMAT,
            "block_size": self.block_size,
            "segment_blocks": self.segment_blocks,
            "data_seed": self.data_seed,
            **({} if self.shuffle_window is None else {"shuffle_window": self.shuffle_window}),
            "streams": list(self.streams),
            "cursors": self.cursors.tolist(),
            "segments": [
                {"phase": phase, "blocks": row.tolist()} for phase, row in zip(self.phases, self.blocks, strict=True)
            ],
            "chain": list(self.chain),
        }


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def make_plan(
    curriculum: Curriculum,
    sizes: Mapping[str, StreamSize],
    *,
    data_seed: int,
    cursors: Mapping[str, int] | None = None,
    shuffle_window: int | None = None,
) -> SegmentPlan:
    """The plan of a run, the same whatever the order of the languages and on every machine.

    Args:
        sizes: "source/language" to what the stream holds.
        cursors: blocks already drawn, by a run that this one continues; they count against max_passes.
        shuffle_window: blocks of a stream that are shuffled together; None is all of a part.

    Raises:
        UserError: a language that the data lacks, a source whose streams are all capped.
    """
    cursors = cursors or {}
    used: set[str] = set()
    for phase in curriculum.phases:
        for source, mixture in phase.mixture.items():
            used.update(select_streams(source, mixture, sizes, f"phase {phase.name!r}: mixture.{source}"))
    # A stream that this run does not draw from keeps its cursor for the run that continues this one.
    names = sorted(used | {name for name, drawn in cursors.items() if drawn and name in sizes and sizes[name].blocks})
    start = np.array([cursors.get(name, 0) for name in names], np.int64)
    held = np.array([sizes[name].blocks for name in names], np.int64)
    limit = np.full(len(names), 1 << 62, np.int64)
    if curriculum.max_passes is not None:
        limit = np.maximum(np.floor(held * curriculum.max_passes).astype(np.int64) - start, 0)
    owed = np.zeros(len(names), np.int64)
    rows: list[NDArray[np.int64]] = []
    for phase in curriculum.phases:
        # What a stream is still owed or is ahead by belongs to its capacity: the cap is met exactly.
        capacity = np.maximum(limit - owed / ONE, 0.0)
        for shares in phase_shares(curriculum, phase, names, sizes, capacity):
            owed += to_fixed_point(shares) * curriculum.segment_blocks
            given = apportion(owed, curriculum.segment_blocks, limit)
            owed -= given << 40
            limit -= given
            rows.append(given)
    return SegmentPlan(
        block_size=curriculum.block_size,
        segment_blocks=curriculum.segment_blocks,
        data_seed=data_seed,
        streams=tuple(names),
        sizes=tuple(sizes[name] for name in names),
        cursors=start,
        phases=tuple(phase.name for phase in curriculum.phases for _ in range(phase.segments)),
        blocks=np.stack(rows),
        shuffle_window=shuffle_window,
    )


def read_plan_json(path: Path) -> dict[str, Any]:
    """``plan.json`` as written by :meth:`SegmentPlan.to_json`, its format checked."""
    try:
        plan: object = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable plan ({error}); restore it from a copy, or use another folder"
        ) from error
    if not isinstance(plan, dict) or cast("dict[str, Any]", plan).get("format") != FORMAT:
        raise UserError(f"{path}: this plan has another format; this version reads format {FORMAT}")
    return cast("dict[str, Any]", plan)
