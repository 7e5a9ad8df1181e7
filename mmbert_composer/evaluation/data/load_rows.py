"""One loader: the rows of a task's split in a language, from the hub or from a folder."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.data.flat_files import flat_languages, flat_rows
from mmbert_composer.evaluation.data.hub_rows import hub_configs, hub_rows
from mmbert_composer.evaluation.data.row_files import listing, read_rows, split_files
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

Row = dict[str, Any]


def load_rows(task: Task, split: str, language: str, data: Path | None) -> list[Row]:
    """The rows of ``split`` in ``language``. ``data``: a folder, or None for the hub.

    Raises UserError for a folder without the dataset or the split; it names what was found instead.
    """
    config = task.config_for(language)
    if data is None and task.flat == "xquad":
        raise UserError(
            f"task {task.name}: --data DIR is needed, with xquad/xquad.LL.json; the hub's copy has no articles"
        )
    if data is None:
        rows = hub_rows(task, split, config)
    elif (folder := data / task.hub / config).is_dir():
        files = split_files(folder, split)
        if not files:
            raise UserError(
                f"task {task.name}: {folder} has no split {split!r} ({split}.jsonl or .parquet); "
                f"found: {listing(folder)}"
            )
        rows = [row for file in files for row in read_rows(file)]
    elif task.flat and language in flat_languages(task.flat, data):
        rows = list(flat_rows(task.flat, data, split, language))
    else:
        raise UserError(_missing(task, split, config, data))
    if task.language_from == "id_prefix":
        prefix = f"{task.configs.get(language, language)}-"
        rows = [row for row in rows if str(row.get("id", "")).startswith(prefix)]
    if not rows:
        raise UserError(f"task {task.name}: split {split!r} in {language} has no rows ({data or 'hub'})")
    return rows


def training_rows(task: Task, split: str, data: Path | None, settings: Settings) -> list[Row]:
    """The rows to tune on, in the training language; with ``max_train_examples`` a part that is always the same."""
    rows = load_rows(task, split, task.train_language, data)
    most = settings.max_train_examples
    if most is not None and most < len(rows):
        rows = [rows[index] for index in sorted(random.Random(0).sample(range(len(rows)), most))]
    return rows


def task_languages(task: Task, data: Path | None, settings: Settings) -> tuple[str, ...]:
    """The languages to score: the row's (all that are found, if it has none), of them those that were asked for.

    Raises UserError where none of those asked for is there.
    """
    known: Sequence[str] = task.languages
    if "xquad-without-hi" in settings.mend.intersection(task.oddities):
        known = (*known, "hi")
    if not known:
        known = _found_languages(task, data)
    if settings.languages is None:
        return tuple(known)
    chosen = tuple(language for language in known if language in settings.languages)
    if not chosen:
        raise UserError(
            f"--languages: none of {', '.join(settings.languages)} is in {task.name}, which has {', '.join(known)}"
        )
    return chosen


def _found_languages(task: Task, data: Path | None) -> list[str]:
    """Languages of a task that takes all there are: configs of the hub, folders, or flat files."""
    head, _, tail = task.config.partition("{language}")
    if data is None:
        names = hub_configs(task)
    else:
        names = [path.name for path in (data / task.hub).iterdir()] if (data / task.hub).is_dir() else []
        if not names and task.flat:
            names = [f"{head}{language}{tail}" for language in flat_languages(task.flat, data)]
    found = sorted(
        name[len(head) : len(name) - len(tail)] for name in names if name.startswith(head) and name.endswith(tail)
    )
    if not found:
        raise UserError(_missing(task, task.test, task.config, data))
    return found


def _missing(task: Task, split: str, config: str, data: Path | None) -> str:
    """What is not there, what is, and what else could be done."""
    assert data is not None
    flat = {"sib200": "sib200*.jsonl.gz", "xquad": "xquad/xquad.LL.json"}
    also = f", nor {flat[task.flat]}" if task.flat else ""
    near = data / task.hub if (data / task.hub).is_dir() else data
    found = f"{near} has {listing(near)}" if near.is_dir() else "no such folder"
    hint = ""
    if task.name in ("squad", "xquad"):
        hint = ". Where there is XQuAD but no SQuAD: --suite xquad"
    if len(task.languages) > 1 and near != data:
        hint = ". --languages scores a part of the languages"
    return (
        f"task {task.name}: --data {data} has no {task.hub}/{config}/ with {split}.jsonl or .parquet{also}; "
        f"found: {found}{hint}"
    )
