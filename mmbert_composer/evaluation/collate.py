"""Features as one padded batch. Shapes: B features, C choices, L tokens of the longest."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mmbert_composer.evaluation.heads.head import Feature, Head


def collate(head: Head, features: Sequence[Feature], pad_id: int, *, labels: bool = True) -> dict[str, Any]:
    """Tensors by argument name: inputs [B, L] or [B, C, L], padded on the right, and what the loss needs."""
    length = max(feature.length for feature in features)
    batch: dict[str, Any] = {}
    for name in features[0].inputs:
        fill = pad_id if name == "input_ids" else 0
        rows = [
            [_padded(inputs[name], length, fill) for inputs in (feature.choices or (feature.inputs,))]
            for feature in features
        ]
        tensor = torch.from_numpy(np.asarray(rows, np.int64))
        batch[name] = tensor if features[0].choices else tensor[:, 0]
    if labels:
        batch |= {name: torch.from_numpy(values) for name, values in head.labels(features, length).items()}
    return batch


def _padded(values: Any, length: int, fill: int) -> Any:
    return np.pad(values, (0, length - len(values)), constant_values=fill)
