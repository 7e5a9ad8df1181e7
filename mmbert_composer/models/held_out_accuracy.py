"""Held-out accuracy: share of masked tokens whose label has the largest logit, per stream."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmbert_composer.models.held_out_sums import HeldOutSums


class HeldOutAccuracy(HeldOutSums):
    """Share of masked tokens of held-out text that the model names right."""

    higher_is_better = True

    def row_values(self, outputs: Mapping[str, Any]) -> Tensor:
        return outputs["row_correct"]
