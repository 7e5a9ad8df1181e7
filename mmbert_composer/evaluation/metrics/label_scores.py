"""Scores of single labels and of numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError


def label_scores(right: NDArray[np.int64], predicted: NDArray[np.int64], num_labels: int) -> dict[str, float]:
    """``accuracy`` and ``macro_f1``; of two labels also ``f1`` of the second and ``matthews``; 0 to 100 (-100)."""
    metrics = _sklearn_metrics()
    every = list(range(num_labels))
    scores = {
        "accuracy": float(np.mean(right == predicted)),
        "macro_f1": metrics.f1_score(right, predicted, labels=every, average="macro", zero_division=0),
    }
    if num_labels == 2:
        scores["f1"] = metrics.f1_score(right, predicted, zero_division=0)
        both = len(np.unique(right)) > 1 and len(np.unique(predicted)) > 1
        scores["matthews"] = metrics.matthews_corrcoef(right, predicted) if both else 0.0
    return {name: 100 * float(value) for name, value in scores.items()}


def number_scores(right: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """``spearman`` and ``pearson`` times 100; 0 where one side is constant and they are not defined."""
    if np.ptp(right) == 0 or np.ptp(predicted) == 0:
        return {"spearman": 0.0, "pearson": 0.0}
    stats = _scipy_stats()
    return {
        "spearman": 100 * float(stats.spearmanr(right, predicted).statistic),
        "pearson": 100 * float(stats.pearsonr(right, predicted).statistic),
    }


def _sklearn_metrics() -> Any:
    try:
        from sklearn import metrics
    except ImportError:
        raise UserError("classification needs scikit-learn: pip install 'mmbert-composer[eval]'") from None
    return metrics


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError:
        raise UserError("regression needs scipy: pip install 'mmbert-composer[eval]'") from None
    return stats
