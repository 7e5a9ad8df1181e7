"""Scores of bitext retrieval: top-1 by cosine, accuracy in both directions, BUCC's F1. Pure numpy.

Legend: N source texts, M target texts, D width of an embedding.
"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError

_ROWS_AT_ONCE = 4096

Embeddings = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Mined:
    """What was found of the gold pairs: shares in 0..1; ``threshold`` is a cosine, None where there was none."""

    precision: float
    recall: float
    f1: float
    threshold: float | None = None


def unit_rows(vectors: Embeddings) -> NDArray[np.float32]:
    """[N, D] rows of length 1; a row of zeros stays zeros."""
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def nearest(queries: Embeddings, corpus: Embeddings) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each query the row of ``corpus`` of highest cosine and that cosine, [N] each; of equals the first row."""
    if not len(corpus):
        raise UserError("bitext: there is nothing to search in")
    queries, corpus = unit_rows(queries), unit_rows(corpus)
    found = np.empty(len(queries), np.int64)
    cosines = np.empty(len(queries), np.float32)
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        similarity = queries[rows] @ corpus.T
        found[rows] = similarity.argmax(axis=1)
        cosines[rows] = similarity.max(axis=1)
    return found, cosines


def directed_accuracies(source: Embeddings, target: Embeddings) -> tuple[float, float]:
    """Share of texts whose nearest one is their translation: (source to target, target to source), in 0..1.

    Row i of one is the translation of row i of the other, [N, D] each. As in LASER and XTREME a text that occurs
    twice is right at its own row alone. Source: LASER's ``similarity_search`` task (both directions); XTREME's
    ``evaluate_retrieval.py`` searches with the English side alone.
    """
    if len(source) != len(target) or not len(source):
        raise UserError(
            f"bitext: {len(source)} source texts and {len(target)} target texts; they must be aligned pairs"
        )
    own = np.arange(len(source))
    forward, _ = nearest(source, target)
    backward, _ = nearest(target, source)
    return float((forward == own).mean()), float((backward == own).mean())


def retrieval_accuracy(source: Embeddings, target: Embeddings) -> float:
    """Mean of both directions' top-1 accuracy on aligned rows [N, D], in 0..1."""
    forward, backward = directed_accuracies(source, target)
    return (forward + backward) / 2


def mine_top_one(source: Embeddings, target: Embeddings, gold: Set[tuple[int, int]], threshold: float | None) -> Mined:
    """F1 of taking each source row's nearest target row as its translation, where its cosine reaches ``threshold``.

    ``gold``: pairs (source row, target row). None takes all: the protocol of the mGTE and mmBERT code.
    """
    found, cosines = nearest(source, target)
    kept = np.ones(len(found), bool) if threshold is None else cosines >= threshold
    pairs = {(int(row), int(found[row])) for row in np.flatnonzero(kept)}
    return _mined(len(pairs & gold), len(pairs), len(gold), threshold)


def tune_threshold(source: Embeddings, target: Embeddings, gold: Set[tuple[int, int]]) -> float:
    """The cosine at which the F1 of ``mine_top_one`` is best: half-way between the last pair taken and the next.

    Source: ``bucc_optimize`` in LASER and XTREME, which tune it on the development set. Pairs of equal cosine are
    taken together, as a threshold must; without a right pair every pair is refused (infinity).
    """
    found, cosines = nearest(source, target)
    order = np.argsort(-cosines, kind="stable")
    right = np.array([(int(row), int(found[row])) in gold for row in order])
    ranked = cosines[order]
    best, threshold = 0.0, float("inf")
    correct = 0
    for number in range(len(order)):
        correct += bool(right[number])
        is_last = number + 1 == len(order)
        if not is_last and ranked[number + 1] == ranked[number]:
            continue
        f1 = _mined(correct, number + 1, len(gold), None).f1
        if f1 > best:
            best = f1
            threshold = float(ranked[number]) if is_last else float((ranked[number] + ranked[number + 1]) / 2)
    return threshold


def _mined(correct: int, extracted: int, gold: int, threshold: float | None) -> Mined:
    if not correct:
        return Mined(0.0, 0.0, 0.0, threshold)
    precision, recall = correct / extracted, correct / gold
    return Mined(precision, recall, 2 * precision * recall / (precision + recall), threshold)
