import gzip
import io
import json
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mmbert_composer.data.inputs import files
from mmbert_composer.data.inputs.document import Document, TokenBatch
from mmbert_composer.data.inputs.files import RemoteFile, list_glob, list_tree, open_file
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.errors import UserError
from tests.data.inputs.units import some_sequences, write_mds


@pytest.fixture
def bucket():
    """``memory://bucket``, empty again afterwards."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/bucket", recursive=True)


def texts(spec: str) -> list[str]:
    return [r.text for r in parse_spec(spec, ReadOptions()).read() if isinstance(r, Document)]


def test_every_kind_of_file_is_read_from_another_machine(bucket: MemoryFileSystem, tmp_path: Path) -> None:
    bucket.pipe("/bucket/b.jsonl.gz", gzip.compress(json.dumps({"text": "zip"}).encode()))
    bucket.pipe("/bucket/a.jsonl", json.dumps({"text": "plain"}).encode())
    assert texts("jsonl:memory://bucket/*.jsonl*") == ["plain", "zip"]
    bucket.pipe("/bucket/de/x.txt", b"eins")
    (unit,) = parse_spec("text:memory://bucket/*/x.txt", ReadOptions()).units(1)
    assert (unit.path, unit.language, unit.size) == ("memory:///bucket/de/x.txt", "deu", 4)
    assert texts("text:memory://bucket/*/x.txt") == ["eins"]
    table = io.BytesIO()
    pq.write_table(pa.table({"text": [f"row {n}" for n in range(50)]}), table, row_group_size=10)
    bucket.pipe("/bucket/data/fra_Latn/train/0.parquet", table.getvalue())
    spec = parse_spec("fineweb2:memory://bucket", ReadOptions())
    assert len(spec.units(len(table.getvalue()) // 3)) >= 3
    assert [(r.text, r.stream) for r in spec.read()][49] == ("row 49", "fineweb2/fra_Latn")
    write_mds(tmp_path / "mds", some_sequences(5))
    bucket.put(str(tmp_path / "mds"), "/bucket/mds/part", recursive=True)
    (batch,) = parse_spec("mds:memory://bucket/mds", ReadOptions()).read(rules=TokenRules(2, 1, 600))
    assert isinstance(batch, TokenBatch)
    assert [array.tolist() for array in batch.sequences.arrays()] == [s.tolist() for s in some_sequences(5)]


def test_numbers_are_counted_where_a_place_cannot_list(bucket: MemoryFileSystem) -> None:
    for number in (8, 9, 10, 11):
        bucket.pipe(f"/bucket/a-{number:03d}.jsonl", json.dumps({"text": str(number)}).encode())
    assert texts("jsonl:memory://bucket/a-{008..010}.jsonl") == ["8", "9", "10"]
    with pytest.raises(UserError, match=r"no file matches 'memory://bucket/a-012.jsonl'"):
        texts("jsonl:memory://bucket/a-{011..012}.jsonl")


def test_the_folder_says_the_language_where_asked(tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de/a.jsonl").write_text('{"text": "a", "language": "fr"}')
    spec = parse_spec(f"jsonl:{tmp_path}/*/a.jsonl", ReadOptions(folder_language=True))
    assert list(spec.read()) == [Document("a", "deu", "jsonl")]


def test_a_remote_place_without_files_or_without_a_system_is_said(bucket: MemoryFileSystem) -> None:
    bucket.pipe("/bucket/sub/a.jsonl", b"{}")
    with pytest.raises(UserError, match=r"no file matches 'memory://bucket/\*.txt'"):
        list_glob("text:x", "memory://bucket/*.txt")
    with pytest.raises(UserError, match="memory://bucket/sub is a folder: name the files in it"):
        list_glob("jsonl:x", "memory://bucket/sub")
    with pytest.raises(UserError, match="is no folder with files in it"):
        list_tree("mds:x", "memory://bucket/none")
    with pytest.raises(UserError, match="nowhere://a: no file system for this kind of place"):
        list_glob("jsonl:x", "nowhere://a")


class Flaky(MemoryFileSystem):
    """A memory file system whose reads fail as often as ``failures`` says."""

    protocol = "flaky"
    store = {}  # noqa: RUF012 - fsspec's own
    pseudo_dirs = [""]  # noqa: RUF012
    failures = 0

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("flaky://", "memory://"))

    def _open(self, path, mode="rb", **kwargs):
        file = super()._open(path, mode, **kwargs)
        if mode != "rb":
            return file
        system, read = type(self), file.read

        class Failing(io.BytesIO):
            def read(self, size=-1, /):
                if system.failures:
                    system.failures -= 1
                    raise ConnectionResetError("reset by peer")
                return super().read(size)

        return Failing(read() if not file.seek(0) else b"")


def test_a_read_that_breaks_off_is_tried_again_from_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    content = bytes(range(256)) * 100
    Flaky().pipe("/a.bin", content)
    waited: list[float] = []
    monkeypatch.setattr(Flaky, "failures", 3)
    file = RemoteFile("flaky://a.bin", sleep=waited.append)
    assert file.size == len(content)
    assert file.read(1000) == content[:1000]
    assert waited == [1, 2, 4]
    monkeypatch.setattr(Flaky, "failures", 1)
    assert file.read(50) == content[1000:1050]
    monkeypatch.setattr(Flaky, "failures", 5)
    with pytest.raises(UserError, match=r"flaky://a.bin: cannot be read, tried 5 times .ConnectionResetError: reset"):
        file.read(1)
    monkeypatch.setattr(Flaky, "failures", 0)
    assert file.read() == content[1050:]
    file.close()
    with pytest.raises(FileNotFoundError):
        RemoteFile("flaky://none.bin", sleep=waited.append)
    assert len(waited) == 8


def test_local_files_are_opened_as_they_are_and_known_by_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc")
    with open_file(path) as file:
        assert file.read() == b"abc"
    (before,) = list_glob("text:x", str(path))
    path.write_bytes(b"xyz")
    (after,) = list_glob("text:x", str(path))
    assert (before.size, after.size) == (3, 3)
    assert before.identity != after.identity
    assert files.list_tree("x", str(tmp_path)) == (str(tmp_path), [after])
