"""Chains of tuning: MNLI before RTE, SIQA before COPA. What others start from is kept in ``stages/``."""

import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import publish_tree
from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.data.load_rows import Row, training_rows
from mmbert_composer.evaluation.fine_tune import fine_tune
from mmbert_composer.evaluation.grid import stage_point
from mmbert_composer.evaluation.hashes import code_hash, hash_values
from mmbert_composer.evaluation.heads.all_heads import HEADS
from mmbert_composer.evaluation.heads.head import Encoding
from mmbert_composer.evaluation.load_for_task import load_for_task, load_tokenizer, model_inputs
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters, Task


@dataclass(frozen=True)
class Tuned:
    """A model that was tuned for a task, with what encodes rows for it."""

    model: Any
    encoding: Encoding
    steps: int


def tune(task: Task, model: Path, data: Path | None, values: Hyperparameters, settings: Settings, seed: int) -> Tuned:
    """Tune the model in folder ``model``, or what ``task.init_from`` makes of it, on the rows of ``task``."""
    start = model if task.init_from is None else _stage(BY_NAME[task.init_from], model, data, settings, seed)
    head, tokenizer = HEADS[task.kind], load_tokenizer(model, settings)
    tuned = load_for_task(task, start, settings, seed)
    encoding = Encoding(task, tokenizer, values, settings, model_inputs(tuned, tokenizer))
    assert task.train is not None
    train = training_rows(task, task.train, data, settings)
    dev: Sequence[Row] = training_rows(task, task.dev, data, settings) if task.dev and values.eval_every else ()
    if task.bootstrap:
        train, dev = resampled(train, seed, "train"), resampled(dev, seed, "dev")
    what = f"{task.name}, lr {values.lr:g}, seed {seed}"
    settings.say(f"  {what}: tuning on {len(train)} rows")
    steps = fine_tune(
        tuned,
        head,
        head.encode(train, encoding, train=True),
        head.encode(dev, encoding, train=True),
        tokenizer.pad_token_id,
        values,
        settings,
        seed,
        what,
    )
    return Tuned(tuned, encoding, steps)


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
    values = stage_point(task, settings)
    key = hash_values(
        [
            settings.model_hash,
            settings.data_hashes.get(task.name),
            code_hash(task.kind),
            asdict(values),
            seed,
            settings.max_train_examples,
            settings.precision,
        ]
    )
    folder = settings.folder / "stages" / f"{task.name}-{key}"
    if folder.is_dir():
        settings.say(f"  {task.name}: already tuned, {folder}")
        return folder
    tuned = tune(task, model, data, values, settings, seed)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    tuned.model.save_pretrained(temporary)
    publish_tree(temporary, folder)
    return folder
