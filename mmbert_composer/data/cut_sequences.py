"""Cuts: shorter sequences out of the same blocks, and padding as sequences of its own. Pure numpy."""

import numpy as np
from numpy.typing import NDArray


def cut_sequences(
    input_ids: NDArray[np.int64],
    ends: list[NDArray[np.int32]],
    max_seq_len: int,
    *,
    bos_id: int,
    eos_id: int,
) -> NDArray[np.int32]:
    """Cut every sequence longer than ``max_seq_len``, in place, and give the batch's cu_seqlens.

    A sequence of L > max tokens becomes ceil(L / max) pieces whose lengths differ by at most one; the two
    tokens at each inner edge become EOS and BOS. The padding at a block's end becomes sequences too, its
    ids untouched, so that cu_seqlens ends at the number of rows (rows that no sequence covers are left
    uninitialised by varlen attention kernels: NaN).

    Args:
        input_ids: [blocks, block_size], changed in place.
        ends: each block's cu_seqlens as stored, [sequences + 1], from 0 to its number of real tokens.
        max_seq_len: tokens.

    Returns:
        cu_seqlens [pieces + 1], int32, from 0 to blocks * block_size.
    """
    num_blocks, block_size = input_ids.shape
    edge = np.array([block_size], np.int32)
    bounds = np.concatenate([part for cu_seqlens in ends for part in (cu_seqlens, edge)])
    # The last length of a block is its padding; the one after it, from block to block, is none.
    last = np.cumsum([len(cu_seqlens) + 1 for cu_seqlens in ends]) - 1
    is_text = np.ones(len(bounds), bool)
    is_text[last - 1] = False
    length = np.diff(bounds, append=0).astype(np.int64)
    length[last] = 0
    pieces = -(-length // max_seq_len)
    parent = np.repeat(np.arange(len(length)), pieces)
    number = np.arange(len(parent)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    short, longer = np.divmod(length, np.maximum(pieces, 1))
    piece_length = short[parent] + (number < longer[parent])
    cu_seqlens = np.zeros(len(parent) + 1, np.int64)
    np.cumsum(piece_length, out=cu_seqlens[1:])
    inner = cu_seqlens[:-1][(number > 0) & is_text[parent]]
    flat = input_ids.reshape(num_blocks * block_size)
    flat[inner - 1] = eos_id
    flat[inner] = bos_id
    return cu_seqlens.astype(np.int32)
