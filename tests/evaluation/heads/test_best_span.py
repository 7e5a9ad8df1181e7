"""N-best decoding on logits worked by hand."""

import numpy as np

from mmbert_composer.evaluation.heads.best_span import MAX_ANSWER_TOKENS, best_span
from mmbert_composer.evaluation.heads.span import answer_tokens

OFFSETS = np.array([[-1, -1], [-1, -1], [0, 3], [3, 7], [7, 9], [-1, -1]], np.int32)


def logits(**at):
    values = np.zeros(6, np.float32)
    for position, value in at.items():
        values[int(position[1:])] = value
    return values


def test_the_best_pair_in_order_and_in_the_context():
    # The highest start is the question, the highest end before the best start.
    score, first, last = best_span(logits(_0=9, _3=5, _2=2), logits(_2=8, _4=4), OFFSETS)
    assert (first, last) == (0, 3)  # 2 + 8: the starts before the end
    assert score == 10
    assert best_span(logits(_3=5), logits(_4=4), OFFSETS) == (9.0, 3, 9)


def test_an_answer_is_not_longer_than_thirty_tokens():
    length = 60
    offsets = np.stack([np.arange(length), np.arange(length) + 1], axis=1).astype(np.int32)
    start, end = np.zeros(length, np.float32), np.zeros(length, np.float32)
    start[0], end[50], end[5] = 5, 9, 1
    _, first, last = best_span(start, end, offsets)
    assert last - first <= MAX_ANSWER_TOKENS


def test_no_context_no_answer():
    assert best_span(logits(_0=1), logits(_1=1), np.full((6, 2), -1, np.int32)) is None


def test_answers_as_tokens():
    assert answer_tokens(OFFSETS, 0, 3) == (2, 2)
    assert answer_tokens(OFFSETS, 4, 9) == (3, 4)  # the blank before a word belongs to its token
    assert answer_tokens(OFFSETS, 8, 12) == (0, 0)  # ends behind the window
    assert answer_tokens(np.full((4, 2), -1, np.int32), 0, 1) == (0, 0)
