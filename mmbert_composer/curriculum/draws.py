"""Which blocks a segment holds, in which order: computed, never stored."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.curriculum.permutation import combine, key_of, permute, permute_in_windows
from mmbert_composer.curriculum.segment_plan import SegmentPlan


@dataclass(frozen=True)
class Draws:
    """Blocks in the order they are served: three arrays [n].

    ``stream``: index into the plan's streams; ``index``: the block's index in that stream; ``visit``: how
    often that block was drawn before.
    """

    stream: NDArray[np.int64]
    index: NDArray[np.int64]
    visit: NDArray[np.int64]


class BlockSampler:
    """The blocks of each segment of a plan.

    A stream's blocks are drawn without replacement: pass v goes through its parts in order, each by a
    permutation keyed by (data_seed, stream, part, v), and the next pass begins when all are drawn, in
    whichever phase or run that happens. With the plan's ``shuffle_window`` the permutation is of windows, then of the
    blocks in one, so that few shards of a stream are in use at a time.
    """

    def __init__(self, plan: SegmentPlan) -> None:
        self.plan = plan

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
        """Offsets of all parts in the streams laid end to end, their sizes and keys."""
        sizes: list[int] = []
        keys: list[int] = []
        for name, size in zip(self.plan.streams, self.plan.sizes, strict=True):
            for part, blocks in enumerate(size.part_blocks or (size.blocks,)):
                sizes.append(blocks)
                keys.append(key_of(self.plan.data_seed, "blocks", name, part))
        array = np.array(sizes, np.int64)
        return np.cumsum(array) - array, array, np.array(keys, np.uint64)

    def segment(self, segment: int) -> Draws:
        """The blocks of one segment, in the order they are served."""
        counts = self.plan.blocks[segment]
        stream = np.repeat(np.arange(len(counts)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        drawn = np.repeat(self.plan.cursors_at(segment), counts) + np.arange(len(stream)) - first
        held = self.plan.stream_blocks
        visit, position = np.divmod(drawn, held[stream])
        offset = np.cumsum(held) - held
        part_offset, part_size, part_key = self._parts
        place = offset[stream] + position
        part = np.searchsorted(part_offset, place, side="right") - 1
        key = combine(part_key[part], visit.astype(np.uint64))
        inside = place - part_offset[part]
        window = self.plan.shuffle_window
        if window is None:
            drawn_in_part = permute(inside, part_size[part], key)
        else:
            drawn_in_part = permute_in_windows(inside, part_size[part], key, window)
        index = part_offset[part] + drawn_in_part - offset[stream]
        total = len(stream)
        order_key = np.uint64(key_of(self.plan.data_seed, "order", segment))
        served = stream[permute(np.arange(total), np.array(total), np.array(order_key))]
        # The streams are shuffled; inside a stream the draws stay in order, so that a pass is complete
        # before the next one begins even where a segment holds parts of both.
        place = np.argsort(served, kind="stable")
        draws = Draws(served, np.empty_like(index), np.empty_like(visit))
        draws.index[place] = index
        draws.visit[place] = visit
        return draws
