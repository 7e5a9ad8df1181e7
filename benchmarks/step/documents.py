"""Documents with masks made once, and the two batches that hold them: packed for us, padded for the peer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbert_composer.data.packing import pack

PAD, EOS, BOS, MASK = 0, 1, 2, 4
FIRST_ORDINARY = 5
IGNORE = -100


@dataclass(frozen=True)
class Document:
    """``[BOS] content [EOS]`` after masking."""

    ids: Tensor
    """int64 [L]"""
    masked: Tensor
    """int64 [m], rising: positions that carry loss"""
    labels: Tensor
    """int64 [m], what stood there"""


def draw_lengths(count: int, seed: int, *, median: float = 400 * math.exp(-0.5), low: int = 16, high: int = 1024):
    """``count`` lengths exp(N(ln median, 1)) clipped to [low, high]; the mean before clipping is 400."""
    drawn = np.random.default_rng(seed).lognormal(math.log(median), 1.0, count)
    return [int(length) for length in np.clip(np.rint(drawn), low, high)]


def make_documents(lengths: Sequence[int], vocab_size: int, mask_ratio: float, seed: int) -> list[Document]:
    """Random documents; floor(ratio * L) positions of each, at least one, are masked (all by the mask token)."""
    generator = torch.Generator().manual_seed(seed)
    documents = []
    for length in lengths:
        ids = torch.randint(FIRST_ORDINARY, vocab_size, (length,), generator=generator)
        ids[0], ids[-1] = BOS, EOS
        count = max(1, int(mask_ratio * length))
        masked = (1 + torch.randperm(length - 2, generator=generator)[:count]).sort().values
        labels = ids[masked]
        ids[masked] = MASK
        documents.append(Document(ids, masked, labels))
    return documents


def pack_documents(documents: Sequence[Document], block_size: int, seed: int) -> list[list[Document]]:
    """The documents of each block, by the packer that ``mmbert prepare`` uses, blocks in random order."""
    blocks = pack([len(document.ids) for document in documents], block_size)
    order = np.random.default_rng(seed).permutation(len(blocks))
    return [[documents[i] for i in blocks[number]] for number in order]


def packed_batch(blocks: Sequence[Sequence[Document]], block_size: int, rows: int, max_seqlen: int) -> dict[str, Any]:
    """The batch of ``ModernBertMLM``: ``rows`` gathered rows a block, tails as sequences of padding."""
    input_ids = torch.full((len(blocks), block_size), PAD)
    gather = torch.zeros(len(blocks), rows, dtype=torch.long)
    labels = torch.full((len(blocks), rows), IGNORE)
    bounds = [0]
    for number, documents in enumerate(blocks):
        end, used = 0, 0
        for document in documents:
            start, end = end, end + len(document.ids)
            input_ids[number, start:end] = document.ids
            count = len(document.masked)
            gather[number, used : used + count] = number * block_size + start + document.masked
            labels[number, used : used + count] = document.labels
            used += count
            bounds.append(number * block_size + end)
        while end < block_size:
            end = min(block_size, end + max_seqlen)
            bounds.append(number * block_size + end)
    return {
        "input_ids": input_ids.flatten(),
        "cu_seqlens": torch.tensor(bounds, dtype=torch.int32),
        "max_seqlen": max_seqlen,
        "gather": gather.flatten(),
        "labels": labels.flatten(),
        "num_masked": int((labels != IGNORE).sum()),
        "tokens_real": sum(len(document.ids) for documents in blocks for document in documents),
        "blocks": len(blocks),
        "sequences": sum(map(len, blocks)),
        "streams": torch.zeros(len(blocks), dtype=torch.long),
    }


def padded_batch(documents: Sequence[Document]) -> dict[str, Tensor]:
    """The batch of transformers: rows padded to the longest, labels -100 but at masked positions."""
    shape = (len(documents), max(len(document.ids) for document in documents))
    batch = {
        "input_ids": torch.full(shape, PAD),
        "attention_mask": torch.zeros(shape, dtype=torch.long),
        "labels": torch.full(shape, IGNORE),
    }
    for row, document in enumerate(documents):
        batch["input_ids"][row, : len(document.ids)] = document.ids
        batch["attention_mask"][row, : len(document.ids)] = 1
        batch["labels"][row, document.masked] = document.labels
    return batch


def real_tokens(documents: Sequence[Document]) -> int:
    return sum(len(document.ids) for document in documents)
