"""``parquet:GLOB``: tables with a text column, and columns for id, language and source where they have them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmbert_composer.data.inputs.document import Record, Skipped
from mmbert_composer.data.inputs.fields import read_fields, wanted_fields
from mmbert_composer.data.inputs.files import find_files, open_file
from mmbert_composer.data.inputs.input_kind import Found, InputKind, cut
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.record_filter import parse_condition
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError

BATCH_ROWS = 1024
# A row group may be gigabytes: its columns are read on as they are decoded, not fetched whole.
COLUMN_BUFFER = 1 << 20


def find_parquet(where: str, options: ReadOptions) -> Found:
    """The files that match ``where``."""
    return find_files("parquet", where, options)


def split_parquet(unit: InputUnit, task_bytes: int) -> list[InputUnit]:
    """Ranges of row groups of about ``task_bytes`` each; a file that is no parquet stays whole, to fail when read."""
    if unit.size <= task_bytes:
        return [unit]
    try:
        with _opened(unit.path) as file:
            sizes = [file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)]
    except (pa.ArrowException, OSError):
        return [unit]
    # The footer knows uncompressed sizes; what is to be read is the file.
    scale = unit.size / max(1, sum(sizes))
    return cut(unit, [size * scale for size in sizes], task_bytes)


def read_parquet(unit: InputUnit, options: ReadOptions) -> Iterator[Record]:
    """Every row of a file, or of a range of its row groups, as a document, or why it is none; rows count from 1.

    Raises UserError when the file is no parquet or lacks the text column.
    """
    path, row = unit.path, 0
    groups = None if unit.end is None else list(range(unit.begin, unit.end))
    try:
        with _opened(path) as file:
            columns = _columns(path, file.schema_arrow.names, options)
            row = sum(file.metadata.row_group(group).num_rows for group in range(unit.begin))
            for batch in file.iter_batches(BATCH_ROWS, groups, columns, use_threads=False):
                values = [_values(batch.column(name)) for name in columns]
                for fields in zip(*values, strict=True):
                    row += 1
                    yield _read_row(dict(zip(columns, fields, strict=True)), f"{path}:{row}", unit, options)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: no readable parquet file after row {row:,} ({error}): get it again") from None


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    with open_file(path) as raw, pq.ParquetFile(raw, buffer_size=COLUMN_BUFFER) as file:
        yield file


def _columns(path: str, names: list[str], options: ReadOptions) -> list[str]:
    """Those to read. Raises UserError when the text's or a filter's column is not among ``names``."""
    for field in (options.text_field, *(parse_condition(condition).field for condition in options.filter)):
        if field not in names and field.partition(".")[0] not in names:
            raise UserError(f"{path}: no column {field!r} (columns: {', '.join(names)})")
    return [name for name in wanted_fields(options) if name in names]


def _values(column: Any) -> list[Any]:
    # As bytes: one string that is no UTF-8 would fail the whole column.
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.binary())
    elif pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    return column.to_pylist()


def _read_row(fields: dict[str, Any], where: str, unit: InputUnit, options: ReadOptions) -> Record:
    try:
        decoded = {name: v.decode() if isinstance(v, bytes) else v for name, v in fields.items()}
    except UnicodeDecodeError as error:
        return Skipped("invalid UTF-8", where, f"byte {error.start + 1} of {error.object[:20]!r}...")
    return read_fields(decoded, where, unit, options)


PARQUET = InputKind("parquet:GLOB", find_parquet, read_parquet, split=split_parquet)
