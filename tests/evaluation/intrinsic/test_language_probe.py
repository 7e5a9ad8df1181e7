"""The probe on vectors that tell languages apart, and on vectors that say nothing."""

import numpy as np
import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.language_probe import language_probe, split_documents

LANGUAGES = ["eng"] * 9 + ["deu"] * 6 + ["swh"] * 3 + ["isl"] * 2


def vectors(spread):
    centres = {name: np.eye(4)[number] for number, name in enumerate(["eng", "deu", "swh", "isl"])}
    noise = np.random.default_rng(0).normal(size=(len(LANGUAGES), 4)) * spread
    return (np.array([centres[name] for name in LANGUAGES]) + noise).astype(np.float32)


def test_split_by_document():
    train, test, left_out = split_documents(LANGUAGES)
    assert sorted([*train, *test]) == list(range(18))
    assert test.tolist() == [13, 14, 6, 7, 8, 17]
    assert left_out == ("isl",)


def test_plain_vectors_are_told_apart():
    probed = language_probe(vectors(0.05), LANGUAGES)
    assert probed.accuracy == 1.0
    assert probed.recall == {"deu": (1.0, 2), "eng": (1.0, 3), "swh": (1.0, 1)}
    assert (probed.train_documents, probed.converged, probed.left_out) == (12, True, ("isl",))


def test_the_score_is_the_mean_of_recalls():
    # Equal vectors: everything is called the language of most documents.
    probed = language_probe(np.ones((len(LANGUAGES), 4), np.float32), LANGUAGES)
    assert probed.accuracy == pytest.approx(1 / 3)


def test_an_early_end_is_told():
    assert not language_probe(vectors(2.0), LANGUAGES, max_iterations=1).converged


def test_one_language():
    with pytest.raises(UserError, match="two languages of 3 documents; there are 1"):
        language_probe(np.ones((4, 2), np.float32), ["eng"] * 4)
