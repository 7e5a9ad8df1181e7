"""Rows from the Hugging Face hub, or from its cache: Parquet and JSON, never a loading script."""

from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.task import Task


def hub_rows(task: Task, split: str, config: str) -> list[dict[str, Any]]:
    """The rows of one split of ``task.hub``.

    ``task.revision`` ``~parquet`` reads the hub's own conversion of a dataset whose repository has a script.
    """
    datasets = _datasets()
    try:
        if task.revision == "~parquet":
            files = f"hf://datasets/{task.hub}@~parquet/{config}/{split}/*.parquet"
            loaded = datasets.load_dataset("parquet", data_files={split: files}, split=split)
        else:
            loaded = datasets.load_dataset(task.hub, config or None, split=split, revision=task.revision)
    except Exception as error:  # the library raises whatever its transport does
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"task {task.name}: {task.hub} ({config}, {split}) is neither on the hub nor in its cache: {reason}. "
            f"Offline, give --data DIR with DIR/{task.hub}/{config}/{split}.jsonl or .parquet"
        ) from None
    return loaded.to_list()


def hub_configs(task: Task) -> list[str]:
    """The configs of ``task.hub``: its languages where they are not in the row."""
    datasets = _datasets()
    try:
        return datasets.get_dataset_config_names(task.hub, revision=task.revision)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"task {task.name}: {task.hub} is neither on the hub nor in its cache: {reason}. Offline, give --data DIR"
        ) from None


def _datasets() -> Any:
    try:
        import datasets
    except ImportError:
        raise UserError(
            "reading from the hub needs the datasets package: pip install 'mmbert-composer[eval]', or give --data DIR"
        ) from None
    return datasets
