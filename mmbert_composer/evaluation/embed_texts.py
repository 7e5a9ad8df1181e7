"""Texts to vectors by any encoder: the mean over tokens, or the first token. N texts, D width."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.length_batches import length_batches
from mmbert_composer.evaluation.load_encoder import Encoder

POOLINGS = ("mean", "first")


def embed_texts(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    pooling: str = "mean",
    layer: int | None = None,
    max_length: int = 512,
    tokens_at_once: int = 8192,
) -> NDArray[np.float32]:
    """float32 [N, D], not normalised, in the order of ``texts``.

    Args:
        encoder: from ``load_encoder``.
        texts: longer ones are cut at ``max_length`` tokens.
        pooling: ``mean`` over the tokens, special ones included (as sentence-transformers does), or ``first``.
        layer: None the model's output; 0 the embeddings, n the output of the n-th layer, -1 that of the last.
        max_length: tokens; a model of fewer takes its own.
        tokens_at_once: of a batch, padding included.

    Raises:
        UserError: an unknown pooling or layer; vectors that are not finite.
    """
    if pooling not in POOLINGS:
        raise UserError(f"pooling={pooling!r} must be one of {', '.join(POOLINGS)}")
    if not texts:
        raise UserError("embed_texts: there are no texts")
    tokenizer = encoder.tokenizer
    length = min(max_length, encoder.max_length)
    encoded = tokenizer(list(texts), truncation=True, max_length=length, padding=False, verbose=False)["input_ids"]
    vectors = np.zeros((0, 0), np.float32)
    for rows in length_batches([len(ids) for ids in encoded], tokens_at_once):
        input_ids, mask = pad_rows([encoded[row] for row in rows], tokenizer.pad_token_id)
        pooled = _pool(encoder, input_ids.to(encoder.device), mask.to(encoder.device), pooling, layer)
        if not len(vectors):
            vectors = np.zeros((len(texts), pooled.shape[1]), np.float32)
        vectors[rows] = pooled
    if not np.isfinite(vectors).all():
        raise UserError(f"{encoder.name} gives vectors that are not finite: its weights are damaged, or it diverged")
    return vectors


def pad_rows(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, int64 [rows, longest], padded on the right."""
    ids = torch.full((len(rows), max(len(row) for row in rows)), pad_id, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


@torch.no_grad()
def _pool(
    encoder: Encoder, input_ids: torch.Tensor, mask: torch.Tensor, pooling: str, layer: int | None
) -> NDArray[np.float32]:
    outputs = encoder.model(input_ids=input_ids, attention_mask=mask, output_hidden_states=layer is not None)
    hidden = outputs.last_hidden_state if layer is None else _layer(outputs.hidden_states, layer)
    hidden = hidden.float()
    if pooling == "first":
        return hidden[:, 0].cpu().numpy()
    weights = mask[..., None].float()
    return ((hidden * weights).sum(1) / weights.sum(1)).cpu().numpy()


def _layer(states: Sequence[torch.Tensor], layer: int) -> torch.Tensor:
    if not -len(states) <= layer < len(states):
        raise UserError(f"layer={layer}: the model has {len(states) - 1} (0 is its embeddings)")
    return states[layer]
