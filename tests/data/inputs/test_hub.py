import json
from pathlib import Path

import pytest

from mmbert_composer.data.inputs import hub
from mmbert_composer.data.inputs.document import Document, Skipped
from mmbert_composer.data.inputs.hub import join_where, parse_where
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec, read_unit
from mmbert_composer.errors import UserError


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder laid out as a dataset: four shards of three rows."""
    datasets = pytest.importorskip("datasets", reason="the datasets library (extra hf) is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    for shard in range(4):
        rows = [{"body": f"text {shard}{row}", "lang": "de", "score": row} for row in range(3)]
        (folder / f"train-{shard}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


OPTIONS = ReadOptions(text_field="body", language_field="lang", source="set", filter=("score < 2",))


def test_a_local_folder_is_streamed_shard_by_shard(dataset: Path) -> None:
    spec = parse_spec(f"hf:{dataset}", OPTIONS)
    records = list(spec.read())
    assert [r for r in records if isinstance(r, Document)] == [
        Document(f"text {shard}{row}", "deu", "set") for shard in range(4) for row in range(2)
    ]
    assert {r.reason for r in records if isinstance(r, Skipped)} == {"filter score < 2"}
    units = spec.units(2 * spec.found.units[0].size // 4)
    assert [(unit.begin, unit.end) for unit in units] == [(0, 2), (2, 4)]
    assert [r for unit in units for r in read_unit(unit, spec.options)] == records
    assert len(spec.units(1)) == 4


def test_what_is_not_there_is_said(dataset: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be opened .ValueError: Bad split: dev"):
        parse_spec(f"hf:{dataset}", ReadOptions(dataset_split="dev"))
    with pytest.raises(UserError, match="no column 'text'"):
        list(parse_spec(f"hf:{dataset}", ReadOptions()).read())
    (dataset / "train-2.jsonl").write_bytes(b'{"body": "a", "lang": "de", "score": 1}\n{"body": "b\xff')
    with pytest.raises(UserError, match=r"shard 2 cannot be read after row \d"):
        list(parse_spec(f"hf:{dataset}", OPTIONS).read())


def test_the_hub_is_not_asked_when_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set: name the commit with --revision, or a local folder"):
        parse_spec("hf:org/name:deu", ReadOptions())
    with pytest.raises(UserError, match="its revision is abc here and def in the options"):
        parse_spec("hf:org/name@abc", ReadOptions(revision="def"))
    with pytest.raises(UserError, match="name a dataset, as in hf:HuggingFaceFW/fineweb-2:deu_Latn"):
        parse_spec("hf:", ReadOptions())


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match=r"needs the datasets library: pip install 'mmbert-composer\[hf\]'"):
        hub.find_hf(str(tmp_path), ReadOptions())


@pytest.mark.parametrize("where", ["org/name", "org/name@abc", "org/name:deu_Latn", "org/name@abc:deu_Latn"])
def test_where_is_taken_apart_and_joined(where: str) -> None:
    assert join_where(*parse_where(where)) == where
