"""Texts to vectors by the model that is in training: packed, without padding. N texts, D width."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.evaluation.length_batches import length_batches
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.models.packed_encoder import encode_packed


def encode_sequences(encoder: TextEncoder, texts: Sequence[str], max_length: int) -> list[NDArray[np.int64]]:
    """``[BOS] content [EOS]`` of each text, cut to ``max_length`` tokens."""
    bos, eos = encoder.special_ids["bos"], encoder.special_ids["eos"]
    return [np.array([bos, *ids[: max_length - 2].tolist(), eos], np.int64) for ids in encoder.encode(texts)]


@torch.no_grad()
def embed_packed(
    model: ModernBertMLM, sequences: Sequence[NDArray[np.int64]], tokens_at_once: int = 8192
) -> NDArray[np.float32]:
    """float32 [N, D]: the mean over each sequence's tokens, as ``embed_texts`` gives of the exported model.

    The model should be in eval mode.
    """
    device = next(model.parameters()).device
    vectors = np.zeros((len(sequences), model.config.hidden_size), np.float32)
    for rows in length_batches([len(ids) for ids in sequences], tokens_at_once):
        lengths = torch.tensor([len(sequences[row]) for row in rows])
        bounds = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
        ids = torch.from_numpy(np.concatenate([sequences[row] for row in rows]))
        layout = PackedLayout(bounds.to(device), int(lengths.max()), len(ids))
        hidden, _ = encode_packed(model.model.model, ids.to(device), layout, model.attention)
        owner = torch.arange(len(rows), device=device).repeat_interleave(lengths.to(device))
        sums = torch.zeros(len(rows), hidden.shape[1], device=device).index_add_(0, owner, hidden.float())
        vectors[rows] = (sums / lengths[:, None].to(device)).cpu().numpy()
    return vectors
