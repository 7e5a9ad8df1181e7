"""Held-out loss: mean cross-entropy in nats per masked token, per stream."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmbert_composer.models.held_out_sums import HeldOutSums


class HeldOutLoss(HeldOutSums):
    """Nats per masked token of held-out text."""

    higher_is_better = False

    def row_values(self, outputs: Mapping[str, Any]) -> Tensor:
        return outputs["row_loss"]
