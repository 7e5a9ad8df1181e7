"""``parquet:GLOB``: tables with a text column, and columns for id, language and source where they have them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmbert_composer.data.inputs.document import Record, Skipped
from mmbert_composer.data.inputs.files import find_files
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.jsonl import read_fields
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError

BATCH_ROWS = 1024


def find_parquet(where: str, options: ReadOptions) -> Found:
    """The files that match ``where``."""
    return find_files("parquet", where)


def split_parquet(unit: InputUnit, task_bytes: int) -> list[InputUnit]:
    """Ranges of row groups of about ``task_bytes`` each; a file that is no parquet stays whole, to fail when read."""
    if unit.size <= task_bytes:
        return [unit]
    try:
        with pq.ParquetFile(unit.path) as file:
            sizes = [file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)]
    except (pa.ArrowException, OSError):
        return [unit]
    pieces: list[InputUnit] = []
    # The footer knows uncompressed sizes; what is to be read is the file.
    scale = unit.size / max(1, sum(sizes))
    begin, size = 0, 0.0
    for group, row_group_size in enumerate(sizes):
        if size and size + row_group_size * scale > task_bytes:
            pieces.append(replace(unit, size=round(size), begin=begin, end=group))
            begin, size = group, 0.0
        size += row_group_size * scale
    return [*pieces, replace(unit, size=round(size), begin=begin, end=len(sizes))] if pieces else [unit]


def read_parquet(unit: InputUnit, options: ReadOptions) -> Iterator[Record]:
    """Every row of a file, or of a range of its row groups, as a document, or why it is none; rows count from 1.

    Raises UserError when the file is no parquet or lacks the text column.
    """
    path = unit.path
    wanted = [options.text_field, options.id_field, options.language_field, options.source_field]
    row = 0
    groups = None if unit.end is None else list(range(unit.begin, unit.end))
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if options.text_field not in names:
                raise UserError(f"{path}: no column {options.text_field!r} (columns: {', '.join(names)})")
            columns = [name for name in dict.fromkeys(wanted) if name in names]
            row = sum(file.metadata.row_group(group).num_rows for group in range(unit.begin))
            for batch in file.iter_batches(BATCH_ROWS, groups, columns):
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


PARQUET = InputKind("parquet:GLOB", find_parquet, read_parquet, split=split_parquet)
