"""What a run's settings name: callbacks, scheduler, loggers, algorithms; built first, so a wrong name costs nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from composer.core import Callback

from mmbert_composer import registry
from mmbert_composer.callbacks.learning_rate import LearningRate
from mmbert_composer.config import RunConfig
from mmbert_composer.optim.token_schedule import TokenSchedule

SCHEDULERS = ("language_annealing", "mask_ratio", "context_extension", "batch_size_warmup")
"""Installed by ``curriculum:``; naming one under ``callbacks:`` sets its options."""

MONITORS = ("language_monitor", "packing_monitor", "speed_report")
"""Installed in every run: metrics.jsonl and the report are made from them."""


@dataclass(frozen=True)
class NamedParts:
    """Name to callback in the order they run; the learning-rate scheduler, if Composer steps it; the rest."""

    callbacks: dict[str, Callback]
    scheduler: Any
    loggers: list[Any]
    algorithms: list[Any]


def build_named_parts(config: RunConfig, folder: Path) -> NamedParts:
    """Everything that the settings name.

    Raises:
        UserError: an unknown name or option, with the nearest known one.
    """
    given = {"curriculum": config.curriculum, "run_folder": folder}
    names = [*SCHEDULERS, *([] if config.scheduler else ["learning_rate"]), *MONITORS]
    names += [name for name in config.callbacks if name not in names]
    callbacks = {name: registry.build("callbacks", name, config.callbacks.get(name, {}), given) for name in names}
    scheduler = None
    if config.scheduler:
        options = {key: value for key, value in config.scheduler.items() if key != "name"}
        scheduler = registry.build("schedulers", str(config.scheduler.get("name")), options)
        if isinstance(scheduler, TokenSchedule):  # exact at the step's first token, where Composer lags by a step
            callbacks["learning_rate"], scheduler = LearningRate(scheduler.multiplier), None
    return NamedParts(callbacks, scheduler, _built(config, "loggers"), _built(config, "algorithms"))


def _built(config: RunConfig, kind: str) -> list[Any]:
    return [registry.build(kind, name, options) for name, options in getattr(config, kind).items()]
