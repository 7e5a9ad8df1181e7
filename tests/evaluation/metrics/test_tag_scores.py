"""Chunks by seqeval, and what it makes of parts of speech."""

import pytest

from mmbert_composer.evaluation.metrics.tag_scores import tag_scores


def test_chunks_count_whole_and_not_by_the_tag():
    right = [["B-PER", "I-PER", "O", "B-LOC"]]
    predicted = [["B-PER", "O", "O", "B-LOC"]]
    scores = tag_scores(right, predicted)
    # One of two chunks is right on both sides; three of four tags.
    assert scores == pytest.approx({"f1": 50, "precision": 50, "recall": 50, "accuracy": 75})


def test_the_mean_is_over_chunks_and_not_over_sentences():
    right = [["B-PER"], ["B-LOC", "B-LOC", "B-LOC"]]
    predicted = [["O"], ["B-LOC", "B-LOC", "B-LOC"]]
    assert tag_scores(right, predicted)["f1"] == pytest.approx(100 * 2 * 3 / (4 + 3))


def test_of_parts_of_speech_the_first_letter_is_the_prefix():
    # NOTE(repro): NOUN NOUN is one chunk OUN, VERB one of ERB: one of two chunks is right, two of three tags.
    scores = tag_scores([["NOUN", "NOUN", "VERB"]], [["NOUN", "ADV", "VERB"]])
    assert scores["accuracy"] == pytest.approx(200 / 3)
    assert scores["f1"] == pytest.approx(100 * 2 * 1 / (2 + 3))
    # Two tags that are equal but for the first letter are the same chunk.
    assert tag_scores([["NOUN"]], [["XOUN"]]) == {"f1": 100, "precision": 100, "recall": 100, "accuracy": 0}


def test_nothing_found_is_zero():
    assert tag_scores([["B-PER"]], [["O"]])["f1"] == 0
    assert tag_scores([[]], [[]])["accuracy"] == 0
