"""How much text each stream has, from a table instead of prepared data."""

import csv
from pathlib import Path

from mmbert_composer.curriculum import StreamSize
from mmbert_composer.errors import UserError
from mmbert_composer.planning.published_counts import PHASES, corpus_tokens

COLUMNS = ("source", "language", "tokens")


def read_counts(path: Path, block_size: int) -> dict[str, StreamSize]:
    """Streams from a CSV with the columns source, language and tokens (``mmbert prepare stats DATA --csv FILE``).

    The counts that mmBERT published (language, pretrain, decay-eng, decay-all, decay-mid, ext) are read too, as the
    sizes of the streams of ``fineweb2`` that they were sampled from: see ``corpus_tokens``.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            if {"language", *PHASES} <= columns:
                served = {
                    row["language"]: {phase: _number(path, reader, row, phase) for phase in PHASES} for row in reader
                }
                tokens = {f"fineweb2/{language}": count for language, count in corpus_tokens(served).items()}
            elif set(COLUMNS) <= columns:
                tokens = {f"{row['source']}/{row['language']}": _number(path, reader, row, "tokens") for row in reader}
            else:
                raise UserError(
                    f"data.counts {path}: needs the columns source, language and tokens, or those of mmBERT's "
                    f"published counts: language, {', '.join(PHASES)}"
                )
    except OSError as error:
        raise UserError(f"data.counts {path} cannot be read: {error.strerror}") from error
    return {name: StreamSize(count, -(-count // block_size)) for name, count in tokens.items() if count > 0}


def _number(path: Path, reader: "csv.DictReader[str]", row: dict[str, str], column: str) -> int:
    try:
        return int(float(row[column]))
    except (ValueError, TypeError) as error:
        raise UserError(f"data.counts {path}, line {reader.line_num}: {column}={row[column]!r}") from error
