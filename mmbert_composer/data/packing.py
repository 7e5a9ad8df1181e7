"""Best-fit-decreasing packing of sequences into blocks of one size. Pure."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MAX_SEQUENCES = 512


def split_evenly(length: int, max_length: int) -> list[int]:
    """Lengths of the fewest pieces of at most ``max_length``, differing by at most one: 10 by 4 -> [4, 3, 3]."""
    count = -(-length // max_length)
    return [length // count + (index < length % count) for index in range(count)]


def to_sequences(content: NDArray[np.uint32], block_size: int, bos: int, eos: int) -> list[NDArray[np.uint32]]:
    """A document's tokens [L] as sequences ``[BOS] content [EOS]`` of at most ``block_size``, split evenly."""
    edges = np.cumsum([0, *split_evenly(len(content), block_size - 2)])
    sequences: list[NDArray[np.uint32]] = []
    for start, end in pairwise(edges):
        sequence = np.empty(end - start + 2, np.uint32)
        sequence[0], sequence[1:-1], sequence[-1] = bos, content[start:end], eos
        sequences.append(sequence)
    return sequences


def pack(lengths: Sequence[int], block_size: int, max_sequences: int = MAX_SEQUENCES) -> list[list[int]]:
    """Indices of the sequences in each block: longest first, each into the fullest block that still has room.

    Equal lengths keep their order, so the caller's order decides between them. Open blocks lie in buckets by free room;
    the bits of one integer say which buckets hold any, so that the best fit is found by a shift.
    """
    blocks: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(block_size + 1)]
    occupied = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        if not 0 < length <= block_size:
            raise ValueError(f"sequence {index} has {length} tokens, must be in [1, {block_size}]")
        fitting = occupied >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            block = by_room[room].pop()
            if not by_room[room]:
                occupied ^= 1 << room
            blocks[block].append(index)
        else:
            room, block = block_size, len(blocks)
            blocks.append([index])
        room -= length
        if room and len(blocks[block]) < max_sequences:
            by_room[room].append(block)
            occupied |= 1 << room
    return blocks
