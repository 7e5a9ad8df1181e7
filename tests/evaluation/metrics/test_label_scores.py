"""Accuracy, F1, Matthews and Spearman on values worked by hand."""

import numpy as np
import pytest

from mmbert_composer.evaluation.metrics.label_scores import label_scores, number_scores


def test_two_labels():
    right, predicted = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    scores = label_scores(right, predicted, 2)
    assert scores["accuracy"] == pytest.approx(60)
    assert scores["f1"] == pytest.approx(100 * 2 * 2 / (3 + 3))
    # (tp tn - fp fn) / sqrt(...): (2 - 1) / sqrt(3 * 3 * 2 * 2)
    assert scores["matthews"] == pytest.approx(100 / 6)


def test_one_label_alone_has_no_correlation():
    assert label_scores(np.array([1, 0]), np.array([1, 1]), 2)["matthews"] == 0


def test_labels_that_no_row_has_count_in_the_macro_mean():
    scores = label_scores(np.array([0, 1]), np.array([0, 1]), 4)
    assert (scores["accuracy"], scores["macro_f1"]) == (100, 50)
    assert "f1" not in scores


def test_numbers():
    right = np.array([0.0, 1.0, 2.0, 3.0])
    assert number_scores(right, right**3)["spearman"] == pytest.approx(100)
    assert number_scores(right, right**3)["pearson"] < 95
    assert number_scores(right, np.ones(4)) == {"spearman": 0, "pearson": 0}
