"""Which hyper-parameters are tried under a protocol."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters, Task

T = TypeVar("T")

PROTOCOLS = {
    "default": "the row's hyper-parameters, which nlu-evals runs with",
    "swept": "an oracle: the best of a grid of learning rates and epochs, chosen on the split that is scored",
}
SWEPT_LRS = (2e-5, 3e-5, 4e-5, 5e-5, 6e-5, 7e-5, 8e-5)
SWEPT_EPOCHS = (1, 2, 3, 5, 10)
SWEPT_RETRIEVAL_LRS = (1e-4, 3e-4, 5e-4, 7e-4)
"""mmBERT (arXiv:2509.06888), appendix B."""
SWEPT_WARMUP = 0.06


def grid(task: Task, settings: Settings) -> list[Hyperparameters]:
    """The hyper-parameters to try for ``task``, one under the protocol ``default``."""
    base = limited(task.hyperparameters, settings)
    if settings.protocol == "default":
        return [_point(base, _one(settings.lrs, "--lr"), _one(settings.epochs, "--epochs"))]
    if task.kind == "retrieval":
        return [replace(base, lr=lr) for lr in settings.lrs or SWEPT_RETRIEVAL_LRS]
    if base.max_steps is not None:
        return [replace(base, lr=lr) for lr in settings.lrs or SWEPT_LRS]
    return [
        replace(base, lr=lr, epochs=epochs, warmup_ratio=SWEPT_WARMUP)
        for lr in settings.lrs or SWEPT_LRS
        for epochs in settings.epochs or SWEPT_EPOCHS
    ]


def stage_point(task: Task, settings: Settings) -> Hyperparameters:
    """How a task is tuned where another starts from it: by its row, whatever the protocol."""
    return limited(task.hyperparameters, settings)


def limited(values: Hyperparameters, settings: Settings) -> Hyperparameters:
    """Hyper-parameters with inputs no longer than the settings allow."""
    if settings.max_length is None or settings.max_length >= values.max_length:
        return values
    return replace(values, max_length=settings.max_length)


def _point(base: Hyperparameters, lr: float | None, epochs: int | None) -> Hyperparameters:
    point = base if lr is None else replace(base, lr=lr)
    return point if epochs is None else replace(point, epochs=epochs)


def _one(values: Sequence[T], option: str) -> T | None:
    if len(values) > 1:
        raise UserError(f"{option}: several values are a grid; add --protocol swept")
    return values[0] if values else None
