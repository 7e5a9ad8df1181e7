"""Where to trim the models' differences from their base: a sample first, then the counts of a reading of everything."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from mmbert_composer.merging.magnitude_threshold import (
    Bracket,
    Counted,
    Magnitudes,
    Threshold,
    bracket,
    count_slice,
    count_to_keep,
    find_threshold,
)
from mmbert_composer.merging.slice_pool import SlicePool
from mmbert_composer.merging.slice_reader import Slice, SliceReader

_PIECE = 512
"""Neighbouring elements that a sample takes together."""
_PIECE_EVERY = 1 << 15
"""A sample takes a piece of every so many elements ..."""
_PIECES = (64, 2048)
"""... but at least and at most so many."""
_WIDER = 8.0
"""What a bracket that missed is made wider by; one that takes in everything cannot miss."""


@dataclass(frozen=True)
class Trimming:
    """What share of the differences to keep, by magnitude: of each tensor, or with ``whole_model`` of all together."""

    density: float
    whole_model: bool = False


@dataclass(frozen=True)
class Group:
    """Slices that share a threshold: those of a tensor, or of all tensors."""

    slices: Sequence[Slice]

    @property
    def size(self) -> int:
        """Number of elements."""
        return sum(piece.stop - piece.start for piece in self.slices)


def count_rows(rows: Tensor, brackets: Sequence[Bracket]) -> list[Counted]:
    """The counts of a slice of differences [models, elements], each model against its bracket."""
    return [count_slice(row, where) for row, where in zip(_magnitudes(rows), brackets, strict=True)]


def find_brackets(reader: SliceReader, group: Group, trimming: Trimming, widen: float = 1.0) -> list[Bracket]:
    """A bracket for each model, from a sample of the group."""
    samples: list[list[Magnitudes]] = [[] for _ in reader.models]
    for piece in _sample(group):
        for sample, magnitudes in zip(samples, _magnitudes(reader.read_differences(piece)), strict=True):
            sample.append(magnitudes.copy())
    keep = count_to_keep(trimming.density, group.size)
    return [bracket(sample, keep, group.size, widen=widen) for sample in samples]


def find_thresholds(
    pool: SlicePool,
    group: Group,
    trimming: Trimming,
    brackets: Sequence[Bracket],
    counted: Sequence[Sequence[Counted]],
) -> list[Threshold]:
    """One threshold for each model, from the counts of the group's slices; reads those again if a bracket missed."""
    keep, widen = count_to_keep(trimming.density, group.size), 1.0
    while True:
        found = [find_threshold([part[model] for part in counted], keep, where) for model, where in enumerate(brackets)]
        sure = [threshold for threshold in found if threshold is not None]
        if len(sure) == len(found):
            return sure
        widen *= _WIDER
        wider = find_brackets(SliceReader(pool.models, pool.base, pool.length), group, trimming, widen)
        counted = list(
            pool.map(lambda reader, piece, b=wider: count_rows(reader.read_differences(piece), b), group.slices)
        )
        brackets = wider


def _magnitudes(rows: Tensor) -> Iterator[Magnitudes]:
    """Of each row in turn, in the same memory."""
    memory = torch.empty_like(rows[0])
    for row in rows:
        yield torch.abs(row, out=memory).numpy()


def _sample(group: Group) -> list[Slice]:
    """Pieces of a group: one at a random place in each of as many equal parts; all of it if it is small."""
    size = group.size
    count = min(_PIECES[1], max(_PIECES[0], size // _PIECE_EVERY))
    if size <= 2 * count * _PIECE:
        return list(group.slices)
    places = random.Random(0)  # any seed: the threshold found is the same
    ends = list(accumulate(piece.stop - piece.start for piece in group.slices))
    pieces, inside = [], 0
    for number in range(count):
        start = places.randint(number * size // count, (number + 1) * size // count - _PIECE)
        while ends[inside] <= start:
            inside += 1
        part = group.slices[inside]
        begin = part.stop - (ends[inside] - start)
        pieces.append(Slice(part.name, part.index, begin, min(begin + _PIECE, part.stop)))
    return pieces
