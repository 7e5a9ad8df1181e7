"""The tasks of a benchmark of mteb, from the hub or from a mirror of its datasets in a folder."""

import os
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError, did_you_mean
from mmbert_composer.evaluation.retrieval.packages import load_mteb
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


def benchmark_tasks(task: Task, data: Path | None, settings: Settings) -> list[Any]:
    """The tasks of ``task.benchmark``, of them those that the settings name.

    With ``data`` every dataset is read from ``DATA/<its name on the hub>``, whose README has the configs, as a
    ``hf download`` of it does. Raises UserError for those that are not there.
    """
    tasks = list(load_mteb().get_benchmark(task.benchmark).tasks)
    if settings.benchmark_tasks:
        known = {each.metadata.name: each for each in tasks}
        chosen = [name for name in settings.benchmark_tasks if name in known]
        if not chosen:
            wrong = settings.benchmark_tasks[0]
            raise UserError(f"task {task.name}: {task.benchmark} has no {wrong!r}; {did_you_mean(wrong, known)}")
        tasks = [known[name] for name in chosen]
    missing = []
    for each in tasks:
        path = each.metadata.dataset["path"]
        if data is not None and (data / path).is_dir():
            each.fast_loading = False  # that wants all languages as one config, which mirrors need not have
            each.metadata = each.metadata.model_copy(
                update={"dataset": {**each.metadata.dataset, "path": str(data / path)}}
            )
        elif data is not None or not _can_load(path):
            missing.append(path)
    if missing:
        where = f"--data {data} has no" if data else "without a connection (HF_HUB_OFFLINE) and not in the cache:"
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise UserError(
            f"task {task.name}: {where} {', '.join(missing[:5])}{more} ({len(missing)} of {len(tasks)} datasets of "
            f"{task.benchmark}); --mteb-tasks chooses tasks"
        )
    return tasks


def is_whole(task: Task, tasks: list[Any]) -> bool:
    """Whether these are all tasks of the benchmark."""
    return len(tasks) == len(load_mteb().get_benchmark(task.benchmark).tasks)


def _can_load(path: str) -> bool:
    if os.environ.get("HF_HUB_OFFLINE", "0") in ("0", "", "false", "False"):
        return True
    from huggingface_hub.constants import HF_HUB_CACHE

    return (Path(HF_HUB_CACHE) / f"datasets--{path.replace('/', '--')}").is_dir()
