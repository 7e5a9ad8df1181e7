"""The flat layout: ``sib200*.jsonl.gz`` and ``xquad/xquad.LL.json`` beside each other in one folder."""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.data.row_files import read_rows

SIB200_SPLITS = {"train": "train", "validation": "dev", "test": "test"}
SCORED_ARTICLE = 4
"""Every fourth article of XQuAD is scored, the others are for tuning."""


def flat_languages(kind: str, folder: Path) -> list[str]:
    """The languages in a flat folder; none where it has no such files."""
    if kind == "xquad":
        return sorted(path.name.split(".")[1] for path in _xquad_files(folder))
    return sorted({row.get("language", "") for path in _sib200_files(folder) for row in _rows(path)})


def flat_rows(kind: str, folder: Path, split: str, language: str) -> Iterator[dict[str, Any]]:
    """The rows of one split and language, with the columns that the hub's dataset has."""
    if kind == "xquad":
        (path,) = (path for path in _xquad_files(folder) if path.name.split(".")[1] == language)
        yield from _xquad_rows(path, split)
        return
    wanted = (SIB200_SPLITS.get(split, split), split)
    for path in _sib200_files(folder):
        for row in _rows(path):
            if row.get("language") == language and row.get("split") in wanted:
                yield {**row, "category": row.get("category", row.get("label"))}


def _rows(path: Path) -> tuple[dict[str, Any], ...]:
    """All rows of a file, which holds every language: read once and not once a language."""
    state = path.stat()
    return _rows_of(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _rows_of(path: Path, changed: int, size: int) -> tuple[dict[str, Any], ...]:
    return tuple(read_rows(path))


def _sib200_files(folder: Path) -> list[Path]:
    return sorted({*folder.glob("sib200*.jsonl.gz"), *folder.glob("sib200*.jsonl")})


def _xquad_files(folder: Path) -> list[Path]:
    return sorted({*folder.glob("xquad/xquad.*.json"), *folder.glob("xquad.*.json")})


def _xquad_rows(path: Path, split: str) -> Iterator[dict[str, Any]]:
    """Questions of a file in SQuAD's layout, of the articles that ``split`` (train or test) has."""
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        for number, article in enumerate(articles, 1):
            if (number % SCORED_ARTICLE == 0) != (split == "test"):
                continue
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    answers = question["answers"]
                    yield {
                        "id": question["id"],
                        "title": article.get("title", ""),
                        "context": paragraph["context"],
                        "question": question["question"],
                        "answers": {
                            "text": [answer["text"] for answer in answers],
                            "answer_start": [answer["answer_start"] for answer in answers],
                        },
                    }
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not in SQuAD's layout ({type(error).__name__}: {error})") from None
