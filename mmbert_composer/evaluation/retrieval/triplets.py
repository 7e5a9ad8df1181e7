"""Triplets of query, positive and negative: from the hub or from a folder, never all in memory."""

import hashlib
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.data.row_files import listing, split_files
from mmbert_composer.evaluation.retrieval.packages import load_datasets
from mmbert_composer.evaluation.task import Task

HELD_OUT = 1000
TRAIN_ROWS = 1_250_000


def load_triplets(task: Task, data: Path | None) -> tuple[Any, str]:
    """The triplets as a ``datasets.Dataset`` with the columns of ``task.text``, and a hash of them.

    Raises UserError for a folder without them or with other columns.
    """
    datasets = load_datasets()
    split = task.train or "train"
    if data is None:
        try:
            rows = datasets.load_dataset(task.hub, task.config, split=split)
        except Exception as error:  # the library raises whatever its transport does
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"task {task.name}: {task.hub} is neither on the hub nor in its cache: {reason}. "
                f"Offline, give --data DIR with DIR/{task.hub}/{task.config}/{split}.jsonl or .parquet"
            ) from None
        found = rows._fingerprint
    else:
        folder = data / task.hub / task.config
        files = split_files(folder, split)
        if not files:
            there = listing(folder) if folder.is_dir() else listing(data)
            raise UserError(f"task {task.name}: no {folder}/{split}.jsonl or .parquet; found: {there}")
        form = "parquet" if files[0].suffix == ".parquet" else "json"
        rows = datasets.load_dataset(form, data_files=[str(file) for file in files], split="train")
        digest = hashlib.sha256()
        for file in files:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        found = digest.hexdigest()[:16]
    for column in task.text:
        if column not in rows.column_names:
            raise UserError(
                f"task {task.name}: {data or 'hub'}: {task.hub}: no column {column!r}; "
                f"found: {', '.join(rows.column_names)}"
            )
    return rows.select_columns(list(task.text)), found


def split_triplets(rows: Any, most: int | None) -> tuple[Any, Any]:
    """Triplets to tune on and held-out ones: 1,000 and the first 1,250,000 of the others, as Ettin's train_st.py does.

    Of fewer than 10,000 a tenth is held out. ``most`` lowers how many are tuned on.
    """
    held_out = HELD_OUT if len(rows) >= 10 * HELD_OUT else max(1, len(rows) // 10)
    parts = rows.train_test_split(test_size=held_out, seed=12)
    train = parts["train"]
    return train.select(range(min(len(train), TRAIN_ROWS, most or TRAIN_ROWS))), parts["test"]
