"""Chains of tuning: MNLI before RTE, SIQA before COPA. What others start from is kept in ``stages/``."""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import publish_tree
from mmbert_composer.evaluation.all_tasks import BY_NAME, chain
from mmbert_composer.evaluation.data.load_rows import Row, training_rows
from mmbert_composer.evaluation.fine_tune import fine_tune
from mmbert_composer.evaluation.grid import stage_point
from mmbert_composer.evaluation.hashes import code_hash, hash_values
from mmbert_composer.evaluation.heads.all_heads import HEADS
from mmbert_composer.evaluation.heads.head import Encoding
from mmbert_composer.evaluation.load_for_task import load_for_task, load_tokenizer, model_inputs
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters, Task

STEPS = "stage.json"


@dataclass(frozen=True)
class Tuned:
    """A model that was tuned for a task, with what encodes rows for it."""

    model: Any
    encoding: Encoding
    steps: int


def tune(task: Task, model: Path, data: Path | None, values: Hyperparameters, settings: Settings, seed: int) -> Tuned:
    """Tune the model in folder ``model``, or what ``task.init_from`` makes of it, on the rows of ``task``.

    What other tasks start from, or are scored with, is kept in ``stages/`` and loaded from there the next time.
    """
    kept = _stage_folder(task, settings, seed) if values == stage_point(task, settings) else None
    if kept is not None and kept.is_dir():
        settings.say(f"  {task.name}: tuned before, {kept}")
        steps = json.loads((kept / STEPS).read_text())["steps"]
        return _loaded(task, kept, model, values, settings, seed, steps)
    start = model if task.init_from is None else _stage(BY_NAME[task.init_from], model, data, settings, seed)
    tuned = _loaded(task, start, model, values, settings, seed, 0)
    steps = _train(task, tuned, data, values, settings, seed)
    if kept is not None and _others_need(task, settings):
        _keep(tuned.model, kept, steps)
    return replace(tuned, steps=steps)


def _loaded(
    task: Task, folder: Path, model: Path, values: Hyperparameters, settings: Settings, seed: int, steps: int
) -> Tuned:
    tokenizer = load_tokenizer(model, settings)
    loaded = load_for_task(task, folder, settings, seed)
    return Tuned(loaded, Encoding(task, tokenizer, values, settings, model_inputs(loaded, tokenizer)), steps)


def _train(task: Task, tuned: Tuned, data: Path | None, values: Hyperparameters, settings: Settings, seed: int) -> int:
    """Steps of tuning ``tuned.model`` in place."""
    head, encoding = HEADS[task.kind], tuned.encoding
    assert task.train is not None
    train = training_rows(task, task.train, data, settings)
    dev: Sequence[Row] = training_rows(task, task.dev, data, settings) if task.dev and values.eval_every else ()
    if task.bootstrap:
        train, dev = resampled(train, seed, "train"), resampled(dev, seed, "dev")
    what = f"{task.name}, lr {values.lr:g}, seed {seed}"
    settings.say(f"  {what}: tuning on {len(train)} rows")
    features = head.encode(train, encoding, train=True), head.encode(dev, encoding, train=True) if dev else []
    return fine_tune(tuned.model, head, *features, encoding.tokenizer.pad_token_id, values, settings, seed, what)


def scoring_encoding(tuned: Tuned, task: Task) -> Encoding:
    """How the rows of ``task`` are encoded for a model that was tuned for another: MLQA after SQuAD."""
    return replace(tuned.encoding, task=task)


def resampled(rows: Sequence[Row], seed: int, what: str) -> list[Row]:
    """As many rows drawn with replacement: one bootstrap round."""
    source = random.Random(f"{seed}-{what}")
    return [rows[source.randrange(len(rows))] for _ in rows]


def _stage(task: Task, model: Path, data: Path | None, settings: Settings, seed: int) -> Path:
    """The folder of the model tuned for ``task`` by its row, made if it is not there."""
    if task.train is None:
        return model if task.init_from is None else _stage(BY_NAME[task.init_from], model, data, settings, seed)
    folder = _stage_folder(task, settings, seed)
    if not folder.is_dir():
        values = stage_point(task, settings)
        tuned = tune(task, model, data, values, settings, seed)
        if not folder.is_dir():
            _keep(tuned.model, folder, tuned.steps)
    return folder


def _stage_folder(task: Task, settings: Settings, seed: int) -> Path:
    """Where the model tuned for ``task`` by its row is kept: named by all that it depends on."""
    key = hash_values(
        [
            settings.model_hash,
            settings.stage_hashes.get(task.name),
            code_hash(task.kind),
            asdict(stage_point(task, settings)),
            seed,
            settings.word_join if task.kind == "tagging" else None,
            settings.precision,
        ]
    )
    return settings.folder / "stages" / f"{task.name}-{key}"


def _others_need(task: Task, settings: Settings) -> bool:
    """Whether ``task`` is there for others alone, or a task of this run is tuned from it."""
    return task.suite == "stages" or any(task in chain(other)[:-1] for other in settings.tasks if other.train)


def _keep(model: Any, folder: Path, steps: int) -> None:
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    model.save_pretrained(temporary)
    (temporary / STEPS).write_text(json.dumps({"steps": steps}))
    publish_tree(temporary, folder)
