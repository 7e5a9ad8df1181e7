"""Reading the same elements of several models side by side, into memory that is used again and again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import xxhash
from torch import Tensor

from mmbert_composer.merging.stored_model import DiskTensor, StoredModel

SLICE = 1 << 18
"""Elements worked on at once: what one operation leaves in a core's cache the next one finds there."""

_WIDEST = 8
"""Bytes of the widest type."""


@dataclass(frozen=True)
class Slice:
    """Elements ``start`` to ``stop`` of the tensor ``name``, flattened; number ``index`` of its slices."""

    name: str
    index: int
    start: int
    stop: int


def slices(name: str, size: int, length: int = SLICE) -> Iterator[Slice]:
    """Every element of a tensor once, in order, ``length`` at a time."""
    for index, start in enumerate(range(0, size, length)):
        yield Slice(name, index, start, min(start + length, size))


class SliceReader:
    """Memory for one slice of every model, and of the base; each thread has its own.

    Args:
        models: their tensors have the same names and shapes.
        base: None for methods without one.
        length: the longest slice.
    """

    def __init__(self, models: Sequence[StoredModel], base: StoredModel | None, length: int = SLICE) -> None:
        self.models = models
        self.base = base
        self._rows = torch.empty(len(models), length)
        self._base = torch.empty(length)
        self._raw = torch.empty(length * _WIDEST, dtype=torch.uint8)

    def read(self, piece: Slice, digests: list[bytes] | None = None) -> tuple[Tensor, Tensor | None]:
        """The slice of each model [models, elements] and of the base, in float32; valid until the next call.

        ``digests`` gets the hash of the bytes as they are stored, of each model, then of the base.
        """
        size = piece.stop - piece.start
        rows = self._rows[:, :size]
        for row, model in zip(rows, self.models, strict=True):
            self._fill(row, model.tensors[piece.name], piece.start, digests)
        if self.base is None:
            return rows, None
        base = self._base[:size]
        self._fill(base, self.base.tensors[piece.name], piece.start, digests)
        return rows, base

    def read_differences(self, piece: Slice) -> Tensor:
        """The slice of each model minus the base's [models, elements], in float32; valid until the next call."""
        rows, base = self.read(piece)
        assert base is not None, "differences are from a base"
        return rows.sub_(base)

    def read_bytes(self, piece: Slice, tensor: DiskTensor) -> memoryview:
        """The slice as it is stored; valid until the next call."""
        raw = _bytes(self._raw[: (piece.stop - piece.start) * tensor.dtype.itemsize])
        tensor.read_into(piece.start, raw)
        return raw

    def _fill(self, row: Tensor, tensor: DiskTensor, start: int, digests: list[bytes] | None) -> None:
        if tensor.dtype == torch.float32:
            raw = _bytes(row)
            tensor.read_into(start, raw)
        else:
            stored = self._raw[: row.numel() * tensor.dtype.itemsize]
            raw = _bytes(stored)
            tensor.read_into(start, raw)
            row.copy_(stored.view(tensor.dtype))
        if digests is not None:
            digests.append(digest(raw))


def digest(raw: memoryview) -> bytes:
    """The hash of one slice's bytes."""
    return xxhash.xxh3_128_digest(raw)


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.numpy().data.cast("B")
