"""Text to prepare: windows of real text in many languages, or invented words where there is none."""

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

REAL_TEXT = Path(__file__).parents[3] / "shared" / "data" / "bible-nt.jsonl.gz"
MEAN_CHARACTERS = 2_500
"""Of a document: about 700 tokens."""


def documents(num_bytes: int) -> list[dict[str, str]]:
    """About ``num_bytes`` of text as records with a language, of log-normal lengths, sigma 1.0."""
    texts = _real_texts(REAL_TEXT) if REAL_TEXT.is_file() else _invented_texts(num_bytes)
    rng = np.random.default_rng(0)
    found: list[dict[str, str]] = []
    # A turn each, so that all languages are there however little is asked for.
    waiting, left = dict.fromkeys(sorted(texts), 0), num_bytes
    while waiting and left > 0:
        for language in list(waiting):
            if left <= 0:
                break
            length = max(20, int(rng.lognormal(np.log(MEAN_CHARACTERS) - 0.5, 1.0)))
            text = texts[language][waiting[language] : waiting[language] + length].strip()
            waiting[language] += length
            if waiting[language] >= len(texts[language]):
                del waiting[language]
            if text:
                found.append({"text": text, "language": language})
                left -= len(text.encode())
    return found


def _real_texts(path: Path) -> dict[str, str]:
    found: dict[str, list[str]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            found[record["language"]].append(record["text"])
    return {language: "\n".join(texts) for language, texts in found.items()}


def _invented_texts(num_bytes: int) -> dict[str, str]:
    return {language: " ".join(_words(language, num_bytes // 15)) for language in ("deu", "ell", "eng")}


def _words(language: str, count: int) -> Iterator[str]:
    """Words of a vocabulary of 20,000, the n-th of them 1/n times as often as the first."""
    source = random.Random(language)
    letters = "αβγδεζηθικλμνοπρστυφχψω" if language == "ell" else "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(source.choices(letters, k=source.randint(1, 9))) for _ in range(20_000)]
    yield from source.choices(words, weights=[1 / n for n in range(1, len(words) + 1)], k=count)
