"""The experiment's text: Bible and UDHR, less the chapters that retrieval is measured on."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.errors import UserError

FILES = ("bible-nt.jsonl.gz", "udhr.jsonl.gz")
TRAIN = "train.jsonl.gz"
VERSES = "verses.json"
RESERVED_OUT_OF = 24
"""A chapter of the Bible in so many is kept out of training, in every language: some 11 of 260."""


@dataclass(frozen=True)
class Texts:
    """``train``: a file for ``mmbert prepare``. ``verses``: {language: {verse id: text}} of the reserved chapters."""

    train: Path
    verses: Path


def is_reserved(chapter: str) -> bool:
    """Whether a chapter ("b.MAT.1"; the same name in every language) is kept out of training; by its hash."""
    return int.from_bytes(hashlib.sha256(chapter.encode()).digest()[:8], "big") % RESERVED_OUT_OF == 0


def make_texts(source: Path, out: Path) -> Texts:
    """Write the training text and the reserved verses to ``out``; what is there already stays.

    Every language becomes one stream of the source "text", whichever files it occurs in.

    Raises:
        UserError: a file of ``source`` is missing.
    """
    for name in FILES:
        if not (source / name).is_file():
            raise UserError(f"{source / name} is missing; --data names the folder that holds {' and '.join(FILES)}")
    texts = Texts(out / TRAIN, out / VERSES)
    if texts.train.is_file() and texts.verses.is_file():
        return texts
    out.mkdir(parents=True, exist_ok=True)
    verses: dict[str, dict[str, str]] = {}
    unfinished = texts.train.with_suffix(".tmp")
    with gzip.open(unfinished, "wt", encoding="utf-8") as file:
        for record in _records(source):
            chapter = record["id"].rpartition("/")[2]
            if record["source"] == "bible" and is_reserved(chapter):
                lines = record["text"].split("\n")
                verses.setdefault(record["language"], {}).update(zip(record["verses"], lines, strict=True))
                continue
            kept = {"id": record["id"], "language": record["language"], "source": "text", "text": record["text"]}
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")
    write_json(texts.verses, verses)
    unfinished.replace(texts.train)
    return texts


def _records(source: Path) -> Iterator[dict[str, Any]]:
    for name in FILES:
        with gzip.open(source / name, "rt", encoding="utf-8") as file:
            yield from (json.loads(line) for line in file)
