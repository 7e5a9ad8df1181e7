from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmbert_composer.data.inputs.document import Document, Skipped
from mmbert_composer.data.inputs.parquet import read_parquet
from mmbert_composer.data.inputs.read_options import ReadOptions
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
