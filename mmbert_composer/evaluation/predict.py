"""What a model says to features: batches of like length, longest first, nothing kept that scoring does not need."""

import contextlib
from collections.abc import Sequence
from typing import Any

import torch

from mmbert_composer.evaluation.collate import collate
from mmbert_composer.evaluation.heads.head import Feature, Head
from mmbert_composer.evaluation.settings import Settings

BATCH = 64


def predict(model: Any, head: Head, features: Sequence[Feature], pad_id: int, settings: Settings) -> list[Any]:
    """What ``head.keep`` keeps of each feature, in the order of ``features``."""
    model.eval()
    order = sorted(range(len(features)), key=lambda index: -features[index].length)
    kept: list[Any] = [None] * len(features)
    with torch.inference_mode(), autocast(settings):
        for start in range(0, len(order), BATCH):
            indices = order[start : start + BATCH]
            chosen = [features[index] for index in indices]
            batch = {
                name: tensor.to(settings.device) for name, tensor in collate(head, chosen, pad_id, labels=False).items()
            }
            for index, value in zip(indices, head.keep(model(**batch), chosen), strict=True):
                kept[index] = value
    return kept


def autocast(settings: Settings) -> contextlib.AbstractContextManager[Any]:
    """bf16 where the settings say so."""
    if settings.precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(settings.device).type, torch.bfloat16)
