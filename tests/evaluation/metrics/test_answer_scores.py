"""SQuAD's and MLQA's answer scores: known pairs, and the official definition beside ours."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.evaluation.metrics.answer_scores import answer_scores, mlqa_words, squad_words


def official_normalized(text):
    """As SQuAD 1.1's published evaluation has it: lower case, punctuation, articles, white space, in this order."""
    text = "".join(character for character in text.lower() if character not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def official_f1(prediction, answer):
    words, right = official_normalized(prediction).split(), official_normalized(answer).split()
    same = sum((Counter(words) & Counter(right)).values())
    if same == 0:
        return 0
    precision, recall = same / len(words), same / len(right)
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("The Denver Broncos.", ["Denver Broncos"], 1, 1),
        ("Denver Broncos defense", ["Denver Broncos"], 0, 0.8),
        ("308", ["three hundred", "308"], 1, 1),
        ("", ["308"], 0, 0),
        ("a cat", ["cat dog"], 0, 2 / 3),
        ("cat cat", ["cat"], 0, 2 / 3),
        # Both empty after normalisation: equal, but no word in common.
        ("the", ["a"], 1, 0),
        # NOTE: without Unicode's punctuation and without words, as in the paper's MLQA.
        ("北京市", ["北京"], 0, 0),
        ("«Paris»", ["Paris"], 0, 0),
    ],
)
def test_squad_on_known_pairs(prediction, answers, exact, f1):
    assert answer_scores(prediction, answers) == pytest.approx((exact, f1))


@pytest.mark.parametrize(
    ("language", "prediction", "answer", "exact", "f1"),
    [
        ("zh", "北京市", "北京", 0, 0.8),
        ("zh", "于2004年。", "2004年", 0, 0.8),
        ("de", "Der Wald", "wald", 1, 1),
        ("es", "«la casa»", "casa", 1, 1),
        ("vi", "những con chim", "con chim", 1, 1),
        ("ar", "البيت", "بيت", 1, 1),
        ("hi", "the घर", "घर", 0, 2 / 3),
        ("en", "the house", "house", 1, 1),
    ],
)
def test_mlqa_on_known_pairs(language, prediction, answer, exact, f1):
    assert answer_scores(prediction, [answer], mlqa_words(language)) == pytest.approx((exact, f1))


text = st.text(alphabet="ab the.,A'\u00ab", max_size=12)


@given(text, text)
def test_squad_is_the_official_definition(prediction, answer):
    exact, f1 = answer_scores(prediction, [answer])
    assert exact == float(official_normalized(prediction) == official_normalized(answer))
    assert f1 == pytest.approx(official_f1(prediction, answer))
    assert squad_words(prediction) == official_normalized(prediction).split()
