"""A tag for every word, read at the word's first token."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.data.label_index import label_index
from mmbert_composer.evaluation.heads.head import Encoding, Feature, Row
from mmbert_composer.evaluation.metrics.tag_scores import tag_scores
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

IGNORED = -100
"""The label of tokens that are not a word's first: no loss, no score."""


class TaggingHead:
    """Token classification. Words beyond the longest input are neither tuned on nor scored, as in nlu-evals."""

    auto_model = "AutoModelForTokenClassification"

    def columns(self, task: Task) -> tuple[str, ...]:
        return (*task.text, task.label)

    def check_row(self, task: Task, row: Row, where: str) -> None:
        (column,) = task.text
        words, tags = row[column], row[task.label]
        if not isinstance(words, list) or not isinstance(tags, list) or len(words) != len(tags):
            raise UserError(f"task {task.name}: {where}: {column} and {task.label} are not lists of one length")
        for tag in tags:
            label_index(task, tag, where)

    def model_options(self, task: Task) -> dict[str, Any]:
        return {"num_labels": len(task.labels)}

    def encode(self, rows: Sequence[Row], encoding: Encoding, *, train: bool) -> list[Feature]:
        task = encoding.task
        most = encoding.hyperparameters.max_length
        features = []
        for number, row in enumerate(rows):
            words = [str(word) for word in row[task.text[0]]]
            if encoding.settings.word_join == "space":
                batch = encoding.tokenizer(
                    " ".join(words), truncation=True, max_length=most, return_offsets_mapping=True
                )
                words_of = words_by_offset(words, batch["offset_mapping"])
            else:
                batch = encoding.tokenizer(words, is_split_into_words=True, truncation=True, max_length=most)
                words_of = batch.word_ids()
            tags = np.full(len(words_of), IGNORED)
            before = None
            for token, word in enumerate(words_of):
                if word is not None and word != before:
                    tags[token] = label_index(task, row[task.label][word], f"row {number + 1}")
                    before = word
            inputs = {name: np.asarray(batch[name], np.int32) for name in encoding.accepted}
            features.append(Feature(inputs, tags, number))
        return features

    def labels(self, features: Sequence[Feature], length: int) -> dict[str, NDArray[Any]]:
        labels = np.full((len(features), length), IGNORED)
        for number, feature in enumerate(features):
            labels[number, : feature.length] = feature.label
        return {"labels": labels}

    def keep(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        best = outputs.logits.argmax(dim=-1).cpu().numpy()
        return [row[: feature.length][feature.label != IGNORED] for row, feature in zip(best, features, strict=True)]

    def score(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        kept: Sequence[Any],
        task: Task,
        how: Settings,
        language: str,
    ) -> dict[str, float]:
        right = [[task.labels[tag] for tag in feature.label if tag != IGNORED] for feature in features]
        return tag_scores(right, [[task.labels[tag] for tag in tags] for tags in kept])


def words_by_offset(words: Sequence[str], offsets: Sequence[tuple[int, int]]) -> list[int | None]:
    """The word of each token of words joined by single spaces, by the token's first character that is no such space.

    Tokens without characters (BOS and the like) belong to no word. ``["to", "be"]``, [(0, 2), (2, 5)] -> [0, 1].
    """
    owner: list[int | None] = []
    for number, word in enumerate(words):
        owner += [number] * len(word) + [None]
    found: list[int | None] = []
    for start, end in offsets:
        found.append(next((owner[at] for at in range(start, min(end, len(owner))) if owner[at] is not None), None))
    return found
