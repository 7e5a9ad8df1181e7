"""Language identification by a linear probe: how plainly a model's vectors say which language a text is in."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError

MIN_DOCUMENTS = 3


@dataclass(frozen=True)
class Probed:
    """``recall``: language to (share of its test documents that are named right, how many); 0..1."""

    accuracy: float
    """Mean of the languages' recalls."""
    recall: dict[str, tuple[float, int]]
    train_documents: int
    converged: bool
    left_out: tuple[str, ...]
    """Languages of fewer than three documents."""


def split_documents(languages: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Rows to train on, rows to test on, languages left out: of each language the first two thirds train.

    The rows come in an order that says nothing (by hash). With 3 documents 2 train and 1 tests.
    """
    names = np.asarray(languages)
    train, test, left_out = [], [], []
    for language in sorted(set(languages)):
        rows = np.flatnonzero(names == language)
        if len(rows) < MIN_DOCUMENTS:
            left_out.append(language)
            continue
        edge = len(rows) * 2 // 3
        train.append(rows[:edge])
        test.append(rows[edge:])
    if len(train) < 2:
        raise UserError(f"a language probe needs two languages of {MIN_DOCUMENTS} documents; there are {len(train)}")
    return np.concatenate(train), np.concatenate(test), tuple(left_out)


def language_probe(vectors: NDArray[np.float32], languages: Sequence[str], max_iterations: int = 500) -> Probed:
    """Fit a multinomial logistic regression on standardised vectors [N, D] of two thirds of each language.

    Raises UserError for fewer than two languages, or without scikit-learn.
    """
    linear_model, preprocessing, convergence = _scikit_learn()
    train, test, left_out = split_documents(languages)
    names = np.asarray(languages)
    scaler = preprocessing.StandardScaler().fit(vectors[train])
    model = linear_model.LogisticRegression(max_iter=max_iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", convergence)  # told by ``converged``
        model.fit(scaler.transform(vectors[train]), names[train])
    right = model.predict(scaler.transform(vectors[test])) == names[test]
    recall = {
        str(language): (float(right[names[test] == language].mean()), int((names[test] == language).sum()))
        for language in np.unique(names[test])
    }
    accuracy = float(np.mean([share for share, _ in recall.values()]))
    return Probed(accuracy, recall, len(train), bool(np.max(model.n_iter_) < max_iterations), left_out)


def _scikit_learn():
    try:
        from sklearn import linear_model, preprocessing
        from sklearn.exceptions import ConvergenceWarning
    except ImportError:
        raise UserError("the language probe needs scikit-learn: pip install 'mmbert-composer[eval]'") from None
    return linear_model, preprocessing, ConvergenceWarning
