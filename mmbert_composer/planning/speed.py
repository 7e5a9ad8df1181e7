"""Tokens a second of one GPU: given, measured in an earlier run, or published for mmBERT's two shapes."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.runs.metrics_lines import parsed_lines

PUBLISHED = {(768, 1152, 22): 108_000.0, (384, 1152, 22): 430_000.0}
"""(hidden, intermediate, layers) to slots a second of one H100: about 40 days on 8 of them for base, 10 for small, for
3T tokens (arXiv:2509.06888)."""


@dataclass(frozen=True)
class Speed:
    """``tokens_per_second`` of one GPU, slots; ``origin`` says where the number is from."""

    tokens_per_second: float
    origin: str


def published_speed(model: Mapping[str, Any]) -> Speed | None:
    """What the authors' own runs reached on average, for a model of mmBERT's shapes; else None."""
    shape = (model["hidden_size"], model["intermediate_size"], model["num_hidden_layers"])
    found = PUBLISHED.get(shape)
    return None if found is None else Speed(found, "published for one of 8 H100, arXiv:2509.06888; --rate for yours")


def measured_speed(run: Path, gpus: int) -> Speed:
    """The median over the steps of an earlier run's ``metrics.jsonl``, which ran on ``gpus`` GPUs.

    Raises:
        UserError: a folder without measured steps.
    """
    path = run / "metrics.jsonl"
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            rates = [line["tokens_per_second"] for line in parsed_lines(file) if line and line.get("tokens_per_second")]
    except OSError as error:
        raise UserError(
            f"--rate-from {run}: {path.name} cannot be read: {error.strerror}; name a run's folder"
        ) from error
    if not rates:
        raise UserError(f"--rate-from {run}: {path.name} holds no step whose speed was measured")
    return Speed(statistics.median(rates) / gpus, f"the median of {len(rates):,} steps of {run}")
