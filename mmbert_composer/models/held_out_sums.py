"""Sums per held-out stream that are equal whatever the number of ranks: the base of both metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from mmbert_composer.models.linear_cross_entropy import IGNORE


class HeldOutSums(Metric):
    """Token-weighted mean of a per-row value, over all streams and per stream.

    States are sums over rows, added over ranks, so 1 and 2 ranks agree.

    Args:
        stream_names: in the order of the numbers in ``batch["streams"]``. Empty: one total, no streams.
    """

    full_state_update = False
    higher_is_better: bool | None = None
    is_differentiable = False
    value_sums: Tensor
    counts: Tensor

    def __init__(self, stream_names: Sequence[str] = ()) -> None:
        super().__init__()
        self.stream_names = tuple(stream_names)
        size = max(1, len(self.stream_names))
        self.add_state("value_sums", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")

    def row_values(self, outputs: Mapping[str, Any]) -> Tensor:
        """[M], the value of each gathered row; that of unused rows does not count."""
        raise NotImplementedError

    def update(self, batch: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Add the labelled rows of a batch to the sums of their streams."""
        labels = batch["labels"]
        used = labels != IGNORE
        if self.stream_names:
            rows_per_block = labels.shape[0] // batch["blocks"]
            stream = batch["streams"].repeat_interleave(rows_per_block)
        else:
            stream = torch.zeros_like(labels)
        values = self.row_values(outputs).to(torch.float64)
        self.value_sums.index_add_(0, stream, torch.where(used, values, 0.0))
        self.counts.index_add_(0, stream, used.to(torch.int64))

    def compute(self) -> Tensor:
        """Mean over every labelled row; NaN if there was none."""
        return self.value_sums.sum() / self.counts.sum()

    def per_stream(self) -> dict[str, tuple[float, int]]:
        """{name: (mean, rows)} of the streams that had a labelled row.

        The sums are those of this rank, unless called where torchmetrics has synchronised them
        (``with metric.sync_context(): ...``).
        """
        sums, counts = self.value_sums.tolist(), self.counts.tolist()
        return {
            name: (total / count, count)
            for name, total, count in zip(self.stream_names, sums, counts, strict=False)
            if count
        }
