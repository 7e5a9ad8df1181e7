"""How long a task will take: a few steps are timed on this machine, the rest is counted."""

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mmbert_composer.evaluation.all_tasks import chain, tuned_task
from mmbert_composer.evaluation.check_fine_tuned import Checked
from mmbert_composer.evaluation.collate import collate
from mmbert_composer.evaluation.data.load_rows import load_rows
from mmbert_composer.evaluation.grid import grid, stage_point
from mmbert_composer.evaluation.heads.all_heads import HEADS
from mmbert_composer.evaluation.heads.head import Encoding, Feature
from mmbert_composer.evaluation.load_for_task import load_for_task, load_tokenizer
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters, Task

SAMPLE = 128
"""Rows whose lengths stand for all."""


@dataclass(frozen=True)
class Speed:
    """Seconds of a training step: ``step`` + ``token`` for each padded token; scoring takes a third of the latter."""

    step: float
    token: float


def estimate(
    tasks: Sequence[tuple[Task, Checked]], model: Path, data: Path | None, settings: Settings
) -> dict[str, float]:
    """Seconds for each of the fine-tuned ``tasks``. What is tuned for several counts for the first alone."""
    seconds = {}
    tuned: set[tuple[str, int, Hyperparameters]] = set()
    for task, checked in tasks:
        total = 0.0
        last = tuned_task(task)
        for row in chain(task):
            features = _sample(row, row.train or "", row.train_language, model, data, settings)
            speed = _speed(row, model, settings, features)
            for values in grid(row, settings) if row is last else [stage_point(row, settings)]:
                for seed in settings.seeds or task.seeds:
                    if (key := (row.name, seed, values)) not in tuned:
                        tuned.add(key)
                        windows = checked.train_rows[row.name] * len(features) / len({f.row for f in features})
                        total += _training_seconds(windows, features, values, speed)
            if row is last:
                runs = len(grid(row, settings)) * len(settings.seeds or task.seeds)
                scored = _sample(task, task.test, checked.languages[0], model, data, settings)
                tokens = sum(_tokens(feature) for feature in scored) / len({f.row for f in scored})
                total += runs * checked.test_rows * tokens * speed.token / 3
        seconds[task.name] = total
    return seconds


def _training_seconds(windows: float, features: Sequence[Feature], values: Hyperparameters, speed: Speed) -> float:
    steps = values.max_steps or windows / values.batch_size * values.epochs
    source = random.Random(0)
    sizes = []
    for _ in range(20):
        batch = source.choices(features, k=values.batch_size)
        sizes.append(max(feature.length for feature in batch) * sum(max(1, len(f.choices)) for f in batch))
    return steps * (speed.step + speed.token * statistics.fmean(sizes))


def _tokens(feature: Feature) -> int:
    return feature.length * max(1, len(feature.choices))


def _sample(task: Task, split: str, language: str, model: Path, data: Path | None, settings: Settings) -> list[Feature]:
    rows = load_rows(task, split, language, data)
    rows = random.Random(0).sample(rows, min(SAMPLE, len(rows)))
    tokenizer = load_tokenizer(model, settings)
    values = stage_point(task, settings)
    names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
    return HEADS[task.kind].encode(rows, Encoding(task, tokenizer, values, settings, names), train=True)


def _speed(task: Task, model: Path, settings: Settings, features: Sequence[Feature]) -> Speed:
    """Time steps of two and of eight features; where a machine's noise turns the line over, all is tokens."""
    head = HEADS[task.kind]
    loaded = load_for_task(task, model, settings, 0)
    pad_id = load_tokenizer(model, settings).pad_token_id
    optimizer = torch.optim.AdamW(loaded.parameters(), lr=0.0)
    points = []
    for size in (2, 2, 8):
        chosen = [features[index % len(features)] for index in range(size)]
        batch = {name: tensor.to(settings.device) for name, tensor in collate(head, chosen, pad_id).items()}
        begun = time.perf_counter()
        loaded(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if settings.device != "cpu":
            torch.cuda.synchronize()
        points.append((batch["input_ids"].numel(), time.perf_counter() - begun))
    (few, short), (many, long) = points[1:]
    token = (long - short) / max(1, many - few)
    if token <= 0 or many <= few:
        return Speed(0.0, long / many)
    return Speed(max(0.0, short - token * few), token)
