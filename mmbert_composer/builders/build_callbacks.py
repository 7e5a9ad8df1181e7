"""Callbacks of a run: the schedulers that the curriculum installs, the monitors, and what the YAML names."""

from pathlib import Path
from typing import Any

from composer.core import Callback

from mmbert_composer import registry
from mmbert_composer.config import RunConfig

SCHEDULERS = ("language_annealing", "mask_ratio", "context_extension", "batch_size_warmup")
"""Installed by ``curriculum:``; naming one under ``callbacks:`` sets its options."""

MONITORS = ("language_monitor", "packing_monitor")
"""Installed in every run: the report is made from them."""


def build_callbacks(config: RunConfig, folder: Path) -> dict[str, Callback]:
    """Name to callback, in the order they run."""
    given: dict[str, Any] = {"curriculum": config.curriculum, "run_folder": folder}
    names = [*SCHEDULERS, *([] if config.scheduler else ["learning_rate"]), *MONITORS]
    names += [name for name in config.callbacks if name not in names]
    return {name: registry.build("callbacks", name, config.callbacks.get(name, {}), given) for name in names}
