"""From blocks to what the model takes: cuts, tails, masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbert_composer.data.check_bounds import check_bounds
from mmbert_composer.data.cut_sequences import cut_sequences
from mmbert_composer.data.masking import Masker, rows_per_block, sample_keys
from mmbert_composer.errors import UserError


class PackedBatch(TypedDict):
    """One micro-batch of B blocks, T = B * block_size tokens."""

    input_ids: Tensor
    """int64 [T]: masks applied, padding as sequences of its own."""
    cu_seqlens: Tensor
    """int32 [n + 1]: from 0 to T; no sequence is longer than ``max_seqlen``."""
    max_seqlen: int
    """Tokens; fixed for a phase."""
    gather: Tensor
    """int64 [M]: flat positions whose logits are needed; M = B * rows a block; unused rows are 0."""
    labels: Tensor
    """int64 [M]: original ids, -100 in unused rows."""
    num_masked: int
    """Labels that count."""
    tokens_real: int
    """Tokens that are not padding."""
    blocks: int
    """B."""
    sequences: int
    """Pieces that are not padding."""
    streams: Tensor
    """int64 [B]: index of each block's stream."""


@dataclass(frozen=True)
class Blocks:
    """Blocks as read: ``input_ids`` uint32 [B, block_size], each block's cu_seqlens, and which blocks they are.

    ``stream`` [B] indexes ``stream_keys``; -1 is a filler block without labels.
    """

    input_ids: NDArray[np.uint32]
    cu_seqlens: list[NDArray[np.int32]]
    stream: NDArray[np.int64]
    index: NDArray[np.int64]
    visit: NDArray[np.int64]


def read_blocks(samples: Sequence[dict[str, object]]) -> Blocks:
    """Collate samples of the dataset: the loader's ``collate_fn``, cheap enough for its workers."""
    return Blocks(
        input_ids=np.stack([np.asarray(sample["input_ids"], np.uint32) for sample in samples]),
        cu_seqlens=[np.asarray(sample["cu_seqlens"], np.int32) for sample in samples],
        stream=np.array([sample["stream"] for sample in samples], np.int64),
        index=np.array([sample["index"] for sample in samples], np.int64),
        visit=np.array([sample["visit"] for sample in samples], np.int64),
    )


def pack_batch(
    blocks: Blocks,
    masker: Masker,
    stream_keys: NDArray[np.uint64],
    *,
    mask_ratio: float,
    largest_mask_ratio: float,
    max_seq_len: int,
    bos_id: int,
    eos_id: int,
) -> PackedBatch:
    """Cut, then mask: the values that hold at the step's first token. The blocks are left as they are.

    The bounds are checked here: on a GPU no forward reads them back.

    Raises:
        UserError: a block whose stored bounds do not fit it.
    """
    _check_stored(blocks)
    input_ids = blocks.input_ids.astype(np.int64)
    cu_seqlens = cut_sequences(input_ids, blocks.cu_seqlens, max_seq_len, bos_id=bos_id, eos_id=eos_id)
    check_bounds(cu_seqlens, max_seq_len, input_ids.size)
    keys = sample_keys(stream_keys[blocks.stream], blocks.index, blocks.visit)
    rows = rows_per_block(largest_mask_ratio, input_ids.shape[1])
    masked = masker.mask(input_ids, keys, mask_ratio, rows)
    filler = np.flatnonzero(blocks.stream < 0)
    num_masked = masked.num_masked
    if len(filler):
        labels = masked.labels.reshape(len(input_ids), rows)
        num_masked -= int((labels[filler] >= 0).sum())
        labels[filler] = -100
    return {
        "input_ids": torch.from_numpy(input_ids.reshape(-1)),
        "cu_seqlens": torch.from_numpy(cu_seqlens),
        "max_seqlen": max_seq_len,
        "gather": torch.from_numpy(masked.gather),
        "labels": torch.from_numpy(masked.labels),
        "num_masked": num_masked,
        "tokens_real": int(sum(int(ends[-1]) for ends in blocks.cu_seqlens)),
        "blocks": len(input_ids),
        "sequences": len(cu_seqlens) - 1 - _tail_pieces(blocks, max_seq_len),
        "streams": torch.from_numpy(np.maximum(blocks.stream, 0)),
    }


def _check_stored(blocks: Blocks) -> None:
    block_size = blocks.input_ids.shape[1]
    counts = np.array([len(ends) for ends in blocks.cu_seqlens])
    bounds = np.concatenate(blocks.cu_seqlens)
    last = np.cumsum(counts) - 1
    rising = np.diff(bounds) > 0
    rising[last[:-1]] = True  # from block to block
    if counts.min() > 1 and rising.all() and not bounds[last - counts + 1].any() and bounds[last].max() <= block_size:
        return
    for number, ends in enumerate(blocks.cu_seqlens):
        if len(ends) < 2 or ends[0] != 0 or np.diff(ends).min() < 1 or ends[-1] > block_size:
            raise UserError(
                f"block {blocks.index[number]} of stream number {blocks.stream[number]}: its cu_seqlens must rise from "
                f"0 to at most {block_size}, got {np.array2string(ends, threshold=8, separator=', ')}: the data is "
                f"damaged, see `mmbert prepare verify`"
            )


def _tail_pieces(blocks: Blocks, max_seq_len: int) -> int:
    """How many of the batch's sequences are padding."""
    tails = [blocks.input_ids.shape[1] - int(ends[-1]) for ends in blocks.cu_seqlens]
    return sum(-(-tail // max_seq_len) for tail in tails)
