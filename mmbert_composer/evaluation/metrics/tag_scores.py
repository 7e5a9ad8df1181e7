"""Scores of tag sequences by seqeval, and the accuracy of single tags."""

import warnings
from collections.abc import Sequence
from typing import Any

from mmbert_composer.errors import UserError


def tag_scores(right: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, float]:
    """``f1``, ``precision``, ``recall`` of chunks (micro) and ``accuracy`` of tags, 0 to 100.

    NOTE(repro): of bare tags, as parts of speech are, seqeval takes the first letter for an IOB prefix, so that NOUN
    becomes a chunk OUN. The XTREME scripts do so too; ``accuracy`` is the sound figure there.
    """
    try:
        from seqeval.metrics import f1_score, precision_score, recall_score
    except ImportError:
        raise UserError("tagging tasks need the seqeval package: pip install 'mmbert-composer[eval]'") from None
    pairs = [pair for row in zip(right, predicted, strict=True) for pair in zip(*row, strict=True)]
    rows = [list(tags) for tags in right], [list(tags) for tags in predicted]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag", category=UserWarning)
        # Where nothing was found; its own type says str, its documentation 0.
        zero: Any = 0
        scores: dict[str, Any] = {
            "f1": f1_score(*rows, zero_division=zero),
            "precision": precision_score(*rows, zero_division=zero),
            "recall": recall_score(*rows, zero_division=zero),
        }
    scores["accuracy"] = sum(a == b for a, b in pairs) / max(1, len(pairs))
    return {name: 100 * float(value) for name, value in scores.items()}
