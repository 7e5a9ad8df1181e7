"""One or two texts to a label, or to a number where the task has no labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.data.label_index import label_index
from mmbert_composer.evaluation.heads.head import Encoding, Feature, Row
from mmbert_composer.evaluation.metrics.label_scores import label_scores, number_scores
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

ROWS_AT_ONCE = 5000
"""The tokenizer returns Python lists, which take ten times the memory of arrays."""


class SequenceHead:
    """Classification of a text or a pair; regression where there are no labels."""

    auto_model = "AutoModelForSequenceClassification"

    def columns(self, task: Task) -> tuple[str, ...]:
        return (*task.text, task.label)

    def check_row(self, task: Task, row: Row, where: str) -> None:
        for column in task.text:
            if not isinstance(row[column], str):
                raise UserError(f"task {task.name}: {where}: {column} is {row[column]!r}, not text")
        _label(task, row, where)

    def model_options(self, task: Task) -> dict[str, Any]:
        if not task.labels:
            return {"num_labels": 1, "problem_type": "regression"}
        return {"num_labels": len(task.labels), "problem_type": "single_label_classification"}

    def encode(self, rows: Sequence[Row], encoding: Encoding, *, train: bool) -> list[Feature]:
        features: list[Feature] = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            features += _encode(rows[start : start + ROWS_AT_ONCE], start, encoding)
        return features

    def labels(self, features: Sequence[Feature], length: int) -> dict[str, NDArray[Any]]:
        values = np.asarray([feature.label for feature in features])
        return {"labels": values.astype(np.float32 if values.dtype.kind == "f" else np.int64)}

    def keep(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        return list(outputs.logits.float().cpu().numpy())

    def score(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        kept: Sequence[Any],
        task: Task,
        how: Settings,
        language: str,
    ) -> dict[str, float]:
        right = np.asarray([feature.label for feature in features])
        logits = np.stack(kept)
        if not task.labels:
            return number_scores(right, logits[:, 0])
        return label_scores(right, logits.argmax(axis=-1), len(task.labels))


def _encode(rows: Sequence[Row], first: int, encoding: Encoding) -> list[Feature]:
    task = encoding.task
    texts = [[row[column] for row in rows] for column in task.text]
    batch = encoding.tokenizer(*texts, truncation=True, max_length=encoding.hyperparameters.max_length)
    return [
        Feature(
            {name: np.asarray(batch[name][number], np.int32) for name in encoding.accepted},
            _label(task, row, f"row {first + number + 1}"),
            first + number,
        )
        for number, row in enumerate(rows)
    ]


def _label(task: Task, row: Row, where: str) -> int | float:
    value = row[task.label]
    if task.labels:
        return label_index(task, value, where)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise UserError(f"task {task.name}: {where}: {task.label} is {value!r}, not a number")
    return number
