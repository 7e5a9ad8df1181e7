"""An answer is a span of the context: windows over long contexts, start and end logits, n-best decoding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.heads.best_span import best_span
from mmbert_composer.evaluation.heads.head import Encoding, Feature, Row
from mmbert_composer.evaluation.metrics.answer_scores import answer_scores, mlqa_words, squad_words
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task

ROWS_AT_ONCE = 500
NO_ANSWER = 0
"""Where both ends point in a window without the answer: the first token.

nlu-evals looks for ``cls_token_id`` instead, which the published mmBERT configs set to the id of ``<eos>``.
"""


class SpanHead:
    """Extractive question answering, the answer always in the context (SQuAD 1.1)."""

    auto_model = "AutoModelForQuestionAnswering"

    def columns(self, task: Task) -> tuple[str, ...]:
        return (*task.text, task.label)

    def check_row(self, task: Task, row: Row, where: str) -> None:
        for column in task.text:
            if not isinstance(row[column], str):
                raise UserError(f"task {task.name}: {where}: {column} is {row[column]!r}, not text")
        answers = row[task.label]
        well_formed = isinstance(answers, dict) and {"text", "answer_start"} <= answers.keys()
        if not well_formed or not answers["text"] or len(answers["text"]) != len(answers["answer_start"]):
            raise UserError(
                f"task {task.name}: {where}: {task.label} is {str(answers)[:60]}; expected is "
                '{"text": ["..."], "answer_start": [0]} with one answer or more'
            )
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            if not 0 <= start < len(row[task.text[1]]) or not isinstance(text, str):
                raise UserError(
                    f"task {task.name}: {where}: answer {str(text)[:40]!r} starts at {start}, "
                    f"the {task.text[1]} has {len(row[task.text[1]])} characters"
                )

    def model_options(self, task: Task) -> dict[str, Any]:
        return {"num_labels": 2}

    def encode(self, rows: Sequence[Row], encoding: Encoding, *, train: bool) -> list[Feature]:
        features: list[Feature] = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            features += self._encode(rows[start : start + ROWS_AT_ONCE], start, encoding)
        return features

    def _encode(self, rows: Sequence[Row], first: int, encoding: Encoding) -> list[Feature]:
        task, tokenizer = encoding.task, encoding.tokenizer
        most = encoding.hyperparameters.max_length
        stride = min(encoding.hyperparameters.stride, most // 3)
        question, context = task.text
        questions = [_cut(row[question].strip(), tokenizer, most - stride - 16) for row in rows]
        batch = tokenizer(
            questions,
            [row[context] for row in rows],
            truncation="only_second",
            max_length=most,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        features = []
        for window, row in enumerate(batch["overflow_to_sample_mapping"]):
            in_context = np.asarray([part == 1 for part in batch.sequence_ids(window)])
            offsets = np.where(in_context[:, None], np.asarray(batch["offset_mapping"][window]), -1).astype(np.int32)
            answers = rows[row][task.label]
            start = answers["answer_start"][0]
            label = answer_tokens(offsets, start, start + len(answers["text"][0]))
            inputs = {name: np.asarray(batch[name][window], np.int32) for name in encoding.accepted}
            features.append(Feature(inputs, label, first + row, {"offsets": offsets}))
        return features

    def labels(self, features: Sequence[Feature], length: int) -> dict[str, NDArray[Any]]:
        ends = np.asarray([feature.label for feature in features], np.int64)
        return {"start_positions": ends[:, 0], "end_positions": ends[:, 1]}

    def keep(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        starts, ends = (logits.float().cpu().numpy() for logits in (outputs.start_logits, outputs.end_logits))
        return [
            best_span(start[: feature.length], end[: feature.length], feature.info["offsets"])
            for start, end, feature in zip(starts, ends, features, strict=True)
        ]

    def score(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        kept: Sequence[Any],
        task: Task,
        how: Settings,
        language: str,
    ) -> dict[str, float]:
        best: dict[int, tuple[float, int, int]] = {}
        for feature, span in zip(features, kept, strict=True):
            if span is not None and (feature.row not in best or span[0] > best[feature.row][0]):
                best[feature.row] = span
        mended = "plain-squad-normaliser" in how.mend.intersection(task.oddities)
        words = mlqa_words(language) if mended else squad_words
        scores = []
        for number, row in enumerate(rows):
            _, start, end = best.get(number, (0.0, 0, 0))
            scores.append(answer_scores(row[task.text[1]][start:end], row[task.label]["text"], words))
        exact, f1 = (100 * float(np.mean(values)) for values in zip(*scores, strict=True))
        return {"f1": f1, "exact_match": exact}


def answer_tokens(offsets: NDArray[np.int32], start: int, end: int) -> tuple[int, int]:
    """First and last token of the characters ``start`` to ``end`` (exclusive); (0, 0) where they leave the window.

    ``offsets``: int [L, 2], -1 outside of the context.
    """
    (context,) = np.nonzero((offsets[:, 0] >= 0) & (offsets[:, 1] > offsets[:, 0]))
    if len(context) == 0 or offsets[context[0], 0] > start or offsets[context[-1], 1] < end:
        return NO_ANSWER, NO_ANSWER
    first = context[offsets[context, 0] <= start][-1]
    last = context[offsets[context, 1] >= end][0]
    return int(first), max(int(first), int(last))


def _cut(question: str, tokenizer: Any, most: int) -> str:
    """A question of at most so many tokens: it must leave room for the context."""
    # No tokenizer makes more tokens than bytes.
    if len(question.encode()) <= most:
        return question
    offsets = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return question if len(offsets) <= most else question[: offsets[max(1, most) - 1][1]]
