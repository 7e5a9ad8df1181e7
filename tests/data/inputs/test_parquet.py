from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmbert_composer.data.inputs.document import Document, Skipped
from mmbert_composer.data.inputs.parquet import read_parquet
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec
from mmbert_composer.errors import UserError
from tests.data.inputs.units import file_unit


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_rows_are_documents_and_a_bad_one_costs_itself(tmp_path: Path, kind: pa.DataType) -> None:
    texts = pa.array([b"eins", b"b\xffd", None, b" ", b"f\xc3\xbcnf"], pa.binary())
    binary = pa.large_binary() if kind == pa.large_string() else pa.binary()
    column = pa.Array.from_buffers(kind, 5, texts.cast(binary).buffers())
    table = pa.table({"text": column, "language": ["de"] * 5, "unused": [1] * 5})
    pq.write_table(table, tmp_path / "a.parquet")
    records = list(read_parquet(file_unit(tmp_path / "a.parquet"), ReadOptions()))
    assert records[0] == Document("eins", "deu", "parquet")
    assert records[4] == Document("fünf", "deu", "parquet")
    where = f"{tmp_path / 'a.parquet'}"
    assert [(r.reason, r.where) for r in records if isinstance(r, Skipped)] == [
        ("invalid UTF-8", f"{where}:2"),
        ("no text field", f"{where}:3"),
        ("empty text", f"{where}:4"),
    ]


def test_a_missing_column_or_another_kind_of_file_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a.parquet: no column 'text' \(columns: body\)"):
        list(read_parquet(file_unit(tmp_path / "a.parquet"), ReadOptions()))
    (tmp_path / "b.parquet").write_text("not parquet")
    with pytest.raises(UserError, match=r"b.parquet: no readable parquet file after row 0"):
        list(read_parquet(file_unit(tmp_path / "b.parquet"), ReadOptions()))


def test_a_file_that_breaks_off_or_has_flipped_bytes_fails_with_its_name_and_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"{number * 7919 % 1000} " * 50 for number in range(4000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=1000, write_page_checksum=True)
    whole = path.read_bytes()
    unit = file_unit(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a.parquet: no readable parquet file after row 0 .*get it again"):
        list(read_parquet(unit, ReadOptions()))
    assert parse_spec(f"parquet:{path}", ReadOptions()).units(100) == [file_unit(path)]
    with pq.ParquetFile(pa.BufferReader(whole)) as file:
        start = file.metadata.row_group(2).column(0).dictionary_page_offset
    path.write_bytes(whole[: start + 30] + bytes(40) + whole[start + 70 :])
    with pytest.raises(UserError, match=r"a.parquet: no readable parquet file after row 1,024 "):
        list(read_parquet(unit, ReadOptions()))


def test_nested_columns_are_read_and_a_filter_needs_its_column(tmp_path: Path) -> None:
    rows = [{"doc": {"body": f"text {n}", "lang": "de"}, "score": n} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    unit = file_unit(tmp_path / "a.parquet")
    options = ReadOptions(text_field="doc.body", language_field="doc.lang", filter=("score >= 2",))
    found = [record for record in read_parquet(unit, options) if isinstance(record, Document)]
    assert found == [Document("text 2", "deu", "parquet"), Document("text 3", "deu", "parquet")]
    with pytest.raises(UserError, match=r"a.parquet: no column 'mark' \(columns: doc, score\)"):
        list(read_parquet(unit, ReadOptions(text_field="doc.body", filter=("mark > 1",))))
