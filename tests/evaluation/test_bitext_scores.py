"""Bitext scores on hand-worked cases and against the definitions of LASER and XTREME written out."""

import numpy as np
import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext_scores import (
    directed_accuracies,
    mine_top_one,
    nearest,
    retrieval_accuracy,
    tune_threshold,
)


def angle(*degrees: float) -> np.ndarray:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(np.float32)


def test_directions_differ():
    # The target at 80 is the translation of the source at 200, and nearest to the one at 60.
    source, target = angle(0, 60, 200), angle(10, 50, 80)
    assert nearest(source, target)[0].tolist() == [0, 1, 2]
    assert nearest(target, source)[0].tolist() == [0, 1, 1]
    assert directed_accuracies(source, target) == (1.0, pytest.approx(2 / 3))
    assert retrieval_accuracy(source, target) == pytest.approx(5 / 6)


def test_length_does_not_count():
    source = angle(0, 90)
    target = angle(5, 85) * np.array([[100.0], [0.01]])
    assert retrieval_accuracy(source, target) == 1.0


def test_a_repeated_text_is_right_at_its_own_row_alone():
    source = angle(0, 0, 90)
    assert directed_accuracies(source, source) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_a_row_of_zeros_has_cosine_0():
    found, cosines = nearest(np.zeros((1, 2)), angle(0, 90))
    assert (found.tolist(), cosines.tolist()) == ([0], [0.0])


def test_as_xtreme_finds_neighbours():
    # XTREME normalises rows and takes the least squared distance (faiss.IndexFlatL2).
    generator = np.random.default_rng(3)
    queries, corpus = generator.normal(size=(40, 6)), generator.normal(size=(50, 6))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, corpus)]
    distances = ((unit[0][:, None] - unit[1][None]) ** 2).sum(-1)
    assert nearest(queries, corpus)[0].tolist() == distances.argmin(1).tolist()


def test_more_rows_than_one_piece(monkeypatch):
    generator = np.random.default_rng(4)
    queries, corpus = generator.normal(size=(10, 4)), generator.normal(size=(7, 4))
    whole = nearest(queries, corpus)
    monkeypatch.setattr("mmbert_composer.evaluation.bitext_scores._ROWS_AT_ONCE", 3)
    pieces = nearest(queries, corpus)
    assert (whole[0] == pieces[0]).all()
    np.testing.assert_allclose(whole[1], pieces[1], rtol=1e-6)


def test_not_aligned():
    with pytest.raises(UserError, match="2 source texts and 3 target texts"):
        retrieval_accuracy(angle(0, 1), angle(0, 1, 2))
    with pytest.raises(UserError, match="0 source texts"):
        retrieval_accuracy(np.zeros((0, 2)), np.zeros((0, 2)))


def test_f1_without_threshold():
    # Four sources, all taken; two gold pairs, one found: precision 1/4, recall 1/2.
    source, target = angle(0, 90, 180, 270), angle(2, 170)
    mined = mine_top_one(source, target, {(0, 0), (1, 0)}, None)
    assert (mined.precision, mined.recall) == (0.25, 0.5)
    assert mined.f1 == pytest.approx(1 / 3)
    assert mine_top_one(source, target, {(3, 1)}, None).f1 == 0.0


def test_threshold_as_bucc_optimize():
    # Cosines of the top-1 pairs: 1 right, 2 right, 3 wrong, 4 right; F1 of the first 1..4 pairs of 4 gold ones.
    source, target = angle(0, 40, 100, 230), angle(1, 42, 110, 200)
    gold = {(0, 0), (1, 1), (3, 3), (2, 0)}
    threshold = tune_threshold(source, target, gold)
    best = max((mine_top_one(source, target, gold, t).f1, -t) for t in np.linspace(-1, 1, 2001).tolist())
    assert mine_top_one(source, target, gold, threshold).f1 == best[0] == pytest.approx(3 / 4)
    tighter = {(0, 0), (1, 1)}
    threshold = tune_threshold(source, target, tighter)
    assert threshold == pytest.approx((np.cos(np.radians(2)) + np.cos(np.radians(10))) / 2, abs=1e-6)
    assert mine_top_one(source, target, tighter, threshold).f1 == 1.0


def test_nothing_right_takes_nothing():
    source, target = angle(0, 90), angle(1, 91)
    threshold = tune_threshold(source, target, {(0, 1)})
    assert mine_top_one(source, target, {(0, 1)}, threshold).f1 == 0.0
