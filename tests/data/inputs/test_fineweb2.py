from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec, read_unit
from mmbert_composer.errors import UserError


def table(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = [f"<urn:uuid:{number}>" for number in range(len(texts))]
    columns = {"text": texts, "id": ids, "language": ["deu"] * len(texts), "language_score": [0.9] * len(texts)}
    pq.write_table(pa.table(columns), path, row_group_size=10)


def test_languages_come_from_the_path_and_only_train_is_read(tmp_path: Path) -> None:
    for language in ("deu_Latn", "zho_Hant"):
        table(tmp_path / "data" / language / "train" / "000_00000.parquet", [f"{language} {n}" for n in range(30)])
    table(tmp_path / "data/deu_Latn/train/000_00001.parquet", ["last"])
    table(tmp_path / "data/deu_Latn/test/000_00000.parquet", ["test"])
    table(tmp_path / "data/deu_Latn_removed/train/000_00000.parquet", ["removed"])
    (tmp_path / "README.md").write_text("# FineWeb2")
    spec = parse_spec(f"fineweb2:{tmp_path}", ReadOptions())
    assert [note.partition(": ")[2] for note in spec.notes] == [
        "1 files of _removed (what FineWeb2's filters took out) left out",
        "1 files of test/ left out",
    ]
    records = list(spec.read())
    assert [r.text for r in records] == [
        *(f"deu_Latn {n}" for n in range(30)),
        "last",
        *(f"zho_Hant {n}" for n in range(30)),
    ]
    assert {r.stream for r in records} == {"fineweb2/deu_Latn", "fineweb2/zho_Hant"}
    units = spec.units(spec.found.units[0].size // 2)
    assert [(unit.begin, unit.end, unit.language) for unit in units if unit.language == "zho_Hant"] == [
        (0, 1, "zho_Hant"),
        (1, 2, "zho_Hant"),
        (2, 3, "zho_Hant"),
    ]
    assert [r for unit in units for r in read_unit(unit, spec.options)] == records
    assert parse_spec(f"fineweb2:{tmp_path}/data", ReadOptions(source="hq")).found.units[0].source == "hq"


def test_unknown_languages_are_listed_with_the_nearest_and_another_layout_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder with files in it"):
        parse_spec(f"fineweb2:{tmp_path}", ReadOptions())
    table(tmp_path / "a.parquet", ["a"])
    with pytest.raises(UserError, match=r"no data/<code_Script>/train/\*.parquet in it"):
        parse_spec(f"fineweb2:{tmp_path}", ReadOptions())
    table(tmp_path / "data/german/train/a.parquet", ["a"])
    table(tmp_path / "data/xyzzy_Latn/train/a.parquet", ["a"])
    with pytest.raises(
        UserError, match=r"2 folders are no languages: language 'german' .*nearest: deu .German.*xyzzy_Latn"
    ):
        parse_spec(f"fineweb2:{tmp_path}", ReadOptions())
