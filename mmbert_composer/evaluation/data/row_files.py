"""Rows in files: JSON lines (plain, .gz) and Parquet."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet

from mmbert_composer.errors import UserError

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")


def split_files(folder: Path, split: str) -> list[Path]:
    """The files of one split: ``SPLIT.jsonl``, ``.jsonl.gz``, ``.parquet``, ``SPLIT-*`` of these, or in ``SPLIT/``."""
    for pattern in (f"{split}{{}}", f"{split}-*{{}}", f"{split}/*{{}}"):
        for suffix in SUFFIXES:
            if files := sorted(folder.glob(pattern.format(suffix))):
                return files
    return []


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file; a line that is no JSON object is a ``UserError`` that names it."""
    if path.suffix == ".parquet":
        try:
            table = pyarrow.parquet.read_table(path)
        except (OSError, pyarrow.ArrowException) as error:
            raise UserError(f"{path}: not a whole Parquet file ({error})") from None
        for batch in table.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()
        return
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise UserError(f"{path}:{number}: not a JSON object but {line.strip()[:40]!r}")
                yield row
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: {error} (a JSON object a line is expected)") from None
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: {error}") from None


def listing(folder: Path, most: int = 12) -> str:
    """What is in a folder, for an error's message."""
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    return (", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")) or "nothing"
