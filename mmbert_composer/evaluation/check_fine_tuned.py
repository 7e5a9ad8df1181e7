"""Everything that a fine-tuned task needs, looked at before anything is trained: rows, columns, labels, model."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import chain
from mmbert_composer.evaluation.data.load_rows import Row, load_rows, task_languages, training_rows
from mmbert_composer.evaluation.grid import grid, stage_point
from mmbert_composer.evaluation.hashes import hash_rows
from mmbert_composer.evaluation.heads.all_heads import HEADS
from mmbert_composer.evaluation.load_for_task import check_model
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


@dataclass(frozen=True)
class Checked:
    """What was found of a task's data."""

    data_hash: str
    stage_hashes: Mapping[str, str] = field(default_factory=dict)
    """Each tuned row of the chain to the hash of what is tuned on up to it."""
    languages: tuple[str, ...] = ()
    """Those that are scored."""
    train_rows: Mapping[str, int] = field(default_factory=dict)
    """Rows to tune on for each row of the chain, by name."""
    test_rows: int = 0
    """Rows scored, of all languages together."""


def check_fine_tuned(task: Task, model: Path, data: Path | None, settings: Settings) -> Checked:
    """Check the model and every row of every split and language that ``task`` needs.

    Raises UserError for what is missing or malformed: a split, a column, a label outside of the map, a model that does
    not fit. The hash is over the columns used.
    """
    digest = hashlib.sha256()
    stages, train_rows = {}, {}
    for step in chain(task):
        columns = HEADS[step.kind].columns(step)
        values = grid(step, settings)[0] if step is chain(task)[-1] else stage_point(step, settings)
        check_model(step, model, settings, values.max_length)
        for split in (step.train, step.dev if values.eval_every else None):
            if split is not None:
                rows = training_rows(step, split, data, settings)
                hash_rows(digest, checked_rows(step, split, step.train_language, data, rows), columns)
                train_rows.setdefault(step.name, len(rows))
        stages[step.name] = digest.hexdigest()[:16]
    check_model(task, model, settings, grid(task, settings)[0].max_length)
    languages = task_languages(task, data, settings)
    scored = 0
    for language in languages:
        rows = checked_rows(task, task.test, language, data, load_rows(task, task.test, language, data))
        digest.update(language.encode())
        hash_rows(digest, rows, HEADS[task.kind].columns(task))
        scored += len(rows)
    return Checked(digest.hexdigest()[:16], stages, languages, train_rows, scored)


def checked_rows(task: Task, split: str, language: str, data: Path | None, rows: list[Row]) -> list[Row]:
    """``rows``, after a look at each: its columns are there, its label is in the map."""
    head = HEADS[task.kind]
    columns = head.columns(task)
    for number, row in enumerate(rows, 1):
        where = f"{data or 'hub'}: {task.hub} {task.config_for(language)} {split}, row {number}"
        for column in columns:
            if column not in row or row[column] is None:
                raise UserError(
                    f"task {task.name}: {where}: no column {column!r}; found: {', '.join(sorted(row)) or 'nothing'}"
                )
        head.check_row(task, row, where)
    return rows
