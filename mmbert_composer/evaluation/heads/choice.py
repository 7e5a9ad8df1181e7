"""Which of several continuations fits: one logit for each pair of prompt and choice."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.data.label_index import label_index
from mmbert_composer.evaluation.heads.head import Encoding, Feature, Row
from mmbert_composer.evaluation.metrics.label_scores import label_scores
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


class ChoiceHead:
    """Multiple choice. A batch is [B, C, L]; models return logits [B, C]."""

    auto_model = "AutoModelForMultipleChoice"

    def columns(self, task: Task) -> tuple[str, ...]:
        return (*_prompt_columns(task), *task.choices, task.label)

    def check_row(self, task: Task, row: Row, where: str) -> None:
        for column in (*_prompt_columns(task), *task.choices):
            if not isinstance(row[column], str):
                raise UserError(f"task {task.name}: {where}: {column} is {row[column]!r}, not text")
        label_index(task, row[task.label], where)

    def model_options(self, task: Task) -> dict[str, Any]:
        # One logit a pair: what the classes of transformers do by themselves.
        return {}

    def encode(self, rows: Sequence[Row], encoding: Encoding, *, train: bool) -> list[Feature]:
        task = encoding.task
        features = []
        for number, row in enumerate(rows):
            prompt = task.prompt.format(**row)
            batch = encoding.tokenizer(
                [prompt] * len(task.choices),
                [row[column] for column in task.choices],
                truncation=True,
                max_length=encoding.hyperparameters.max_length,
            )
            choices = [
                {name: np.asarray(batch[name][choice], np.int32) for name in encoding.accepted}
                for choice in range(len(task.choices))
            ]
            longest = max(choices, key=lambda inputs: len(inputs["input_ids"]))
            label = label_index(task, row[task.label], f"row {number + 1}")
            features.append(Feature(longest, label, number, choices=choices))
        return features

    def labels(self, features: Sequence[Feature], length: int) -> dict[str, NDArray[Any]]:
        return {"labels": np.asarray([feature.label for feature in features], np.int64)}

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
        scores = label_scores(right, np.stack(kept).argmax(axis=-1), len(task.choices))
        return {"accuracy": scores["accuracy"]}


def _prompt_columns(task: Task) -> tuple[str, ...]:
    """The columns in braces of the prompt."""
    return tuple(part.split("}")[0] for part in task.prompt.split("{")[1:])
