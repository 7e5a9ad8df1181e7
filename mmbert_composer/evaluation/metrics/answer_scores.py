"""Exact match and F1 of answers, as SQuAD 1.1's and MLQA's own evaluations define them. Pure Python."""

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

Words = Callable[[str], list[str]]


def squad_words(answer: str) -> list[str]:
    """Lower case, without ASCII punctuation and English articles, cut at white space: SQuAD's evaluate-v1.1.py."""
    kept = "".join(character for character in answer.lower() if character not in _ASCII_PUNCTUATION)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def mlqa_words(language: str) -> Words:
    """As mlqa_evaluation_v1.py does: articles of the language, Unicode's punctuation, Chinese by character."""

    def words(answer: str) -> list[str]:
        kept = "".join(character for character in answer.lower() if character not in _punctuation())
        if article := MLQA_ARTICLES.get(language):
            kept = re.sub(article, " ", kept)
        return _characters(kept) if language == "zh" else kept.split()

    return words


def answer_scores(prediction: str, answers: Sequence[str], words: Words = squad_words) -> tuple[float, float]:
    """Exact match and F1, 0 or 1 and 0 to 1, against the answer that fits best."""
    predicted = words(prediction)
    right = [words(answer) for answer in answers]
    return (
        max(float(predicted == answer) for answer in right),
        max(_f1(predicted, answer) for answer in right),
    )


MLQA_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": r"\sال^|ال",
}

_ASCII_PUNCTUATION = frozenset(string.punctuation)


@cache
def _punctuation() -> frozenset[str]:
    """Every character of Unicode's categories P, and those of ASCII."""
    unicode = (chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code)).startswith("P"))
    return _ASCII_PUNCTUATION.union(unicode)


def _characters(text: str) -> list[str]:
    """Chinese characters one by one, what stands between them by white space."""
    return re.sub(r"([\u4e00-\u9fa5])", r" \1 ", text).split()


def _f1(predicted: list[str], right: list[str]) -> float:
    """Harmonic mean of precision and recall over words with their multiplicity."""
    common = sum((Counter(predicted) & Counter(right)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(predicted), common / len(right)
    return 2 * precision * recall / (precision + recall)
