"""The token ids of a whole MDS shard at once, out of its bytes. Pure numpy.

A shard is a sample count, count + 1 offsets, and the samples; a sample is the sizes of its columns without a fixed
size, uint32 each, and then its columns end to end (streaming's ``MDSReader`` reads them one at a time). Other columns
are stepped over, so nothing is ever unpickled.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.inputs.token_sequences import TokenSequences
from mmbert_composer.errors import UserError

# One byte before an array of any type, as streaming's NDArray encoding writes it.
ARRAY_TYPES = {8: "uint8", 9: "int8", 16: "uint16", 17: "int16", 32: "uint32", 33: "int32", 64: "uint64", 65: "int64"}


@dataclass(frozen=True)
class TokenColumn:
    """How index.json says the samples of a shard lie, and which column holds the tokens."""

    name: str
    encoding: str
    """``ndarray:uint32``, ``ndarray``, ``ndarray:int64:1024``, ``bytes``."""
    before: tuple[int | None, ...]
    """Fixed sizes of the columns before it; None for a size that stands in the sample."""
    size: int | None
    """Its own fixed size in bytes."""
    after: tuple[int | None, ...]
    """Fixed sizes of the columns after it."""
    dtype: str | None
    """Type of its numbers; None where each sample says it."""
    has_shape: bool
    """Whether each sample says its shape."""


def token_column(index: dict[str, list[str | int | None]], name: str, dtype: str | None) -> TokenColumn:
    """Column ``name`` of a shard's entry in index.json; ``dtype`` is the user's word for what ``bytes`` holds.

    Raises UserError for a column that is absent, that is no array of integers, and for bytes without a dtype.
    """
    names = [str(column) for column in index["column_names"]]
    if name not in names:
        raise UserError(f"no column {name!r} (columns: {', '.join(names)})")
    place = names.index(name)
    encoding = str(index["column_encodings"][place])
    kind, _, parameters = encoding.partition(":")
    typed, _, shape = parameters.partition(":")
    if kind == "bytes":
        if dtype is None:
            raise UserError(f"column {name!r} is of bytes, which do not say their type: give it with --dtype, as int64")
        typed, has_shape = dtype, False
    elif kind == "ndarray":
        if dtype is not None:
            raise UserError(f"column {name!r} is {encoding}, which says its type: leave --dtype out")
        has_shape = not shape
    else:
        raise UserError(f"column {name!r} is {encoding}, not an array of token ids (ndarray or bytes)")
    if typed and typed not in ARRAY_TYPES.values():
        raise UserError(f"column {name!r}: its type {typed!r} must be one of {', '.join(ARRAY_TYPES.values())}")
    sizes = [None if size is None else int(size) for size in index["column_sizes"]]
    before, after = tuple(sizes[:place]), tuple(sizes[place + 1 :])
    return TokenColumn(name, encoding, before, sizes[place], after, typed or None, has_shape)


def read_shard(data: bytes, samples: int, column: TokenColumn) -> TokenSequences:
    """The sequences of a shard, ``samples`` of them as its index says.

    Raises ValueError when the bytes are no shard of that many samples, and for ids outside of uint32.
    """
    content = np.frombuffer(data, np.uint8)
    offsets = _offsets(content, samples)
    starts, sizes = _column_ranges(content, offsets, column)
    if not samples:
        return TokenSequences(np.empty(0, np.uint32), np.empty(0, np.int64))
    if sizes.min() < (column.dtype is None) + column.has_shape:
        raise ValueError("a sample ends inside of its array's header")
    dtypes = [column.dtype] if column.dtype is not None else _dtypes(content[starts])
    if column.dtype is None:
        starts, sizes = starts + 1, sizes - 1
    if column.has_shape:
        header = content[starts]
        skipped = 1 + (header >> 2).astype(np.int64) * (1 << (header & 3).astype(np.int64))
        starts, sizes = starts + skipped, sizes - skipped
        if sizes.min() < 0:
            raise ValueError("a sample ends inside of its array's header")
    return _joined(content, starts, sizes, dtypes)


def _offsets(content: NDArray[np.uint8], samples: int) -> NDArray[np.int64]:
    found = int(content[:4].view("<u4")[0]) if len(content) >= 4 else 0
    if found != samples:
        raise ValueError(f"it holds {found:,} samples, its index says {samples:,}")
    end = 4 * (samples + 2)
    if len(content) < end:
        raise ValueError("it ends inside of its table of samples")
    offsets = content[4:end].view("<u4").astype(np.int64)
    if offsets[0] < end or (np.diff(offsets) < 0).any() or offsets[-1] != len(content):
        raise ValueError("its table of samples does not fit its size")
    return offsets


def _column_ranges(
    content: NDArray[np.uint8], offsets: NDArray[np.int64], column: TokenColumn
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the column's bytes begin in each sample, and how many there are; all sizes checked to fill the sample."""
    order = (*column.before, column.size, *column.after)
    variable = sum(size is None for size in order)
    begins, length = offsets[:-1], np.diff(offsets)
    if len(length) and length.min() < 4 * variable:
        raise ValueError("a sample ends inside of its columns' sizes")
    position = begins + 4 * variable
    starts = sizes = position
    field = 0
    for place, fixed in enumerate(order):
        if fixed is None:
            size = _uint32_at(content, begins + 4 * field)
            field += 1
        else:
            size = np.full(len(begins), fixed, np.int64)
        if place == len(column.before):
            starts, sizes = position, size
        position = position + size
    if (position != offsets[1:]).any():
        raise ValueError("a sample's columns do not fill it")
    return starts, sizes


def _uint32_at(content: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """The uint32 that begins at each byte position, aligned or not."""
    return np.ascontiguousarray(content[positions[:, None] + np.arange(4)]).view("<u4")[:, 0].astype(np.int64)


def _joined(
    content: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64], dtypes: list[str]
) -> TokenSequences:
    """The arrays of all samples end to end; ``dtypes``: of each sample, or one for all."""
    pieces = [content[start:end] for start, end in zip(starts.tolist(), (starts + sizes).tolist(), strict=True)]
    if len(set(dtypes)) == 1:
        item = np.dtype(dtypes[0]).itemsize
        if (sizes % item).any():
            raise ValueError(f"a sample is no whole number of {dtypes[0]}")
        return TokenSequences(_as_tokens(np.concatenate(pieces), dtypes[0]), np.cumsum(sizes // item))
    arrays = [_as_tokens(piece, dtype) for piece, dtype in zip(pieces, dtypes, strict=True)]
    return TokenSequences(np.concatenate(arrays), np.cumsum([len(array) for array in arrays]))


def _dtypes(codes: NDArray[np.uint8]) -> list[str]:
    unknown = set(codes.tolist()) - ARRAY_TYPES.keys()
    if unknown:
        raise ValueError(f"a sample is no array of integers (type {min(unknown)})")
    distinct = np.unique(codes)
    return [ARRAY_TYPES[int(code)] for code in (distinct if len(distinct) == 1 else codes)]


def _as_tokens(content: NDArray[np.uint8], dtype: str) -> NDArray[np.uint32]:
    numbers = np.ascontiguousarray(content).view(np.dtype(dtype).newbyteorder("<"))
    if numbers.dtype == np.uint32:
        return numbers
    if len(numbers) and (numbers.min() < 0 or numbers.max() > 0xFFFF_FFFF):
        raise ValueError(f"token id {numbers.min() if numbers.min() < 0 else numbers.max()}")
    return numbers.astype(np.uint32)
