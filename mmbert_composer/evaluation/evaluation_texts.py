"""Every text in a folder of evaluation data, whatever its layout: JSON lines, Parquet, SQuAD's JSON, lines of text."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.data.row_files import SUFFIXES, read_rows

_LINES = ("tatoeba.", "bucc")
"""How the names of files begin that hold a text a line and have a language for an ending."""


def text_places(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files below ``folder`` that hold texts, and those that are of no known kind; both sorted.

    Raises UserError where there is none.
    """
    if not folder.is_dir():
        raise UserError(f"--data {folder}: no such folder")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    known = [path for path in files if _kind(path) is not None]
    if not known:
        raise UserError(
            f"--data {folder}: no evaluation data in it (*.jsonl, *.jsonl.gz, *.parquet, *.json, tatoeba.*)"
        )
    return known, [path for path in files if _kind(path) is None]


def read_texts(path: Path) -> Iterator[str]:
    """Every string in a file's records, and the lines of a file of lines; stripped, empty ones left out."""
    match _kind(path):
        case "lines":
            texts: Iterator[str] = iter(path.read_text(encoding="utf-8").splitlines())
        case "json":
            try:
                texts = _strings(json.loads(path.read_text(encoding="utf-8")))
            except json.JSONDecodeError as error:
                raise UserError(f"{path}: no JSON: {error}") from None
        case _:
            texts = (text for row in read_rows(path) for text in _strings(row))
    return (stripped for text in texts if (stripped := text.strip()))


def _kind(path: Path) -> str | None:
    if path.name.endswith(SUFFIXES):
        return "rows"
    if path.suffix == ".json":
        return "json"
    return "lines" if path.suffix == ".txt" or path.name.startswith(_LINES) else None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
