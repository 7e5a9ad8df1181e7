"""Model FLOPs of a step: the arithmetic that the model asks for, whatever a machine does beside it.

Legend: D width, I intermediate size, V vocabulary, L tokens of a sequence, w half of the local window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class StepFlops:
    """Floating-point operations of a training step, a multiplication and an addition counted as two."""

    encoder: int
    """Matrices of the layers, on real tokens: 6 x their parameters x tokens."""
    attention: int
    """Scores and weighted values, for the pairs that see each other."""
    head: int
    """Dense layer and decoder, on masked tokens alone."""

    @property
    def total(self) -> int:
        return self.encoder + self.attention + self.head


def step_flops(config: Mapping[str, Any], lengths: ArrayLike, num_masked: int) -> StepFlops:
    """Model FLOPs of forward and backward on real sequences of ``lengths`` tokens, ``num_masked`` of them masked.

    Forward: 2 x parameters of the layers' matrices for each real token; 4 x D for each pair (query, key) of a layer,
    2 x D for its score and 2 x D for its value: L^2 pairs in a global layer, those at most w apart in a local one;
    2 x (D^2 + D x V) for each masked token. Training is three times that: the backward pass computes two products of
    the same size for each one. Not counted: padding, unused rows of the head, recomputation, normalisation, GLU,
    rotation, softmax, embedding lookup, optimizer. MFU = total / (seconds of the step x peak FLOP/s of the devices).
    Source: PaLM (arXiv:2204.02311), appendix B, with windows and a head on masked tokens.

    Args:
        config: ``ModernBertConfig.to_dict()``.
        lengths: of the sequences that are not padding, after cuts.
        num_masked: tokens that carry loss.
    """
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    lengths = np.asarray(lengths, np.int64)
    num_global = -(-layers // config["global_attn_every_n_layers"])
    pairs = num_global * attended_pairs(lengths, None)
    pairs += (layers - num_global) * attended_pairs(lengths, config["local_attention"])
    matrices = layers * (4 * width * width + 3 * width * config["intermediate_size"])
    return StepFlops(
        encoder=6 * matrices * int(lengths.sum()),
        attention=3 * 4 * width * pairs,
        head=6 * width * (width + config["vocab_size"]) * num_masked,
    )


def attended_pairs(lengths: ArrayLike, window: int | None) -> int:
    """Pairs (query, key) of one layer: keys of the same sequence, at most ``window // 2`` away; None sees all.

    A sequence of L tokens has L^2 pairs, less (L - w - 1) (L - w) that are further apart than w: 4 tokens that see
    one neighbour on each side have 16 - 2 x 3 = 10.
    """
    lengths = np.asarray(lengths, np.int64)
    pairs = int((lengths * lengths).sum())
    if window is None:
        return pairs
    beyond = np.maximum(lengths - window // 2 - 1, 0)
    return pairs - int((beyond * (beyond + 1)).sum())


def real_lengths(batch: Mapping[str, Any], pad_id: int) -> NDArray[np.int64]:
    """Lengths of a packed batch's sequences that are not padding, from ``input_ids`` and ``cu_seqlens``.

    Padding lies in sequences of its own, and no other begins with the padding token: a sequence's first token is never
    masked. Empty sequences (repeated ends) are left out. On a GPU this waits for the batch.
    """
    bounds = batch["cu_seqlens"]
    starts, lengths = bounds[:-1], bounds.diff()
    starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    return lengths[batch["input_ids"][starts] != pad_id].cpu().numpy().astype(np.int64)
