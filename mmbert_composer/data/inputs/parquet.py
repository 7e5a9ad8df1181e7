"""``parquet:GLOB``: tables with a text column, and columns for id, language and source where they have them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmbert_composer.data.inputs.document import Record, Skipped
from mmbert_composer.data.inputs.jsonl import read_fields
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.errors import UserError

BATCH_ROWS = 1024


def read_parquet(path: Path, options: ReadOptions) -> Iterator[Record]:
    """Every row of ``path`` as a document, or why it is none; rows count from 1.

    Raises UserError when the file is no parquet or lacks the text column.
    """
    wanted = [options.text_field, options.id_field, options.language_field, options.source_field]
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if options.text_field not in names:
                raise UserError(f"{path}: no column {options.text_field!r} (columns: {', '.join(names)})")
            columns = [name for name in dict.fromkeys(wanted) if name in names]
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                values = [_values(batch.column(name)) for name in columns]
                for fields in zip(*values, strict=True):
                    row += 1
                    yield _read_row(dict(zip(columns, fields, strict=True)), f"{path}:{row}", options)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: no readable parquet file after row {row} ({error})") from None


def _values(column: Any) -> list[Any]:
    # As bytes: one string that is no UTF-8 would fail the whole column.
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.binary())
    elif pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    return column.to_pylist()


def _read_row(fields: dict[str, Any], where: str, options: ReadOptions) -> Record:
    try:
        decoded = {name: v.decode() if isinstance(v, bytes) else v for name, v in fields.items()}
    except UnicodeDecodeError as error:
        return Skipped("invalid UTF-8", where, f"byte {error.start + 1} of {error.object[:20]!r}...")
    return read_fields(decoded, where, "parquet", options)
