"""Hours and money of a run over numbers of GPUs."""

from dataclasses import dataclass

from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.curriculum import Curriculum

MOST_GPUS = 64


@dataclass(frozen=True)
class CostRow:
    """``micro_batch`` in blocks; ``price`` in the currency of the hour's price, None without one."""

    gpus: int
    micro_batch: int
    hours: float
    gpu_hours: float
    price: float | None


def cost_rows(
    curriculum: Curriculum, at_most: int, tokens_per_second: float, hour_price: float | None = None
) -> list[CostRow]:
    """A row for each number of GPUs up to 64 that divides every batch, each as fast as one alone.

    Args:
        at_most: ``device_train_microbatch_size``.
        tokens_per_second: of one GPU.
    """
    divisor = curriculum.batch_divisor
    gpu_hours = curriculum.total_tok / tokens_per_second / 3600
    return [
        CostRow(
            gpus=gpus,
            micro_batch=micro_batch_size(curriculum, gpus, at_most),
            hours=gpu_hours / gpus,
            gpu_hours=gpu_hours,
            price=None if hour_price is None else gpu_hours * hour_price,
        )
        for gpus in range(1, min(divisor, MOST_GPUS) + 1)
        if divisor % gpus == 0
    ]
