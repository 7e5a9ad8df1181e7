import gzip
import json
from pathlib import Path

import pytest
import zstandard

from mmbert_composer.data.inputs.document import Document, Skipped
from mmbert_composer.data.inputs.jsonl import read_jsonl
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.errors import UserError
from tests.data.inputs.units import file_unit

LINE = json.dumps({"text": "Grüße", "language": "de", "source": "news", "id": "n1"}).encode()


def test_bad_lines_are_named_and_the_good_ones_around_them_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        b"\xef\xbb\xbf" + LINE,
        b"",
        b'{"text": "bad \xff byte"}',
        b'{"text": ',
        b"[1]",
        b'{"id": "n7", "language": "deu"}',
        b'{"text": 3}',
        b'{"text": " ", "id": "n9"}',
        b'{"text": "a", "language": "xx"}',
        b'{"text": "a", "language": 1}',
        b'{"text": "\\ud800"}',
        LINE.replace(b"n1", b"n2") + b"\r",
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    records = list(read_jsonl(file_unit(path), ReadOptions()))
    assert records[0] == records[-1] == Document("Grüße", "deu", "news")
    skipped = [(r.where.removeprefix(f"{path}:"), r.reason) for r in records if isinstance(r, Skipped)]
    assert skipped == [
        ("2", "empty line"),
        ("3", "invalid UTF-8"),
        ("4", "invalid JSON"),
        ("5", "not a JSON object"),
        ("6 (id n7)", "no text field"),
        ("7", "text is no string"),
        ("8 (id n9)", "empty text"),
        ("9", "unknown language"),
        ("10", "language or source is no string"),
        ("11", "invalid UTF-8"),
    ]


def test_fields_can_be_named_and_the_source_defaults(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"content": "a", "lang": "fr"}\n{"content": "b", "origin": "x"}')
    options = ReadOptions(text_field="content", language_field="lang", source_field="origin")
    assert list(read_jsonl(file_unit(path), options)) == [Document("a", "fra", "jsonl"), Document("b", "und", "x")]
    options = ReadOptions(text_field="content", language_field="lang", source_field="origin", source="mine")
    assert [r.source for r in read_jsonl(file_unit(path), options) if isinstance(r, Document)] == ["mine", "x"]


def test_compressed_files_read_the_same(tmp_path: Path) -> None:
    data = b"\n".join([LINE] * 3)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data))
    compress = zstandard.ZstdCompressor().compress
    (tmp_path / "a.jsonl.zst").write_bytes(compress(data[: len(data) // 2]) + compress(data[len(data) // 2 :]))
    for name in ("a.jsonl.gz", "a.jsonl.zst"):
        assert list(read_jsonl(file_unit(tmp_path / name), ReadOptions())) == [Document("Grüße", "deu", "news")] * 3


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_compressed_file_that_breaks_off_fails_with_its_name(tmp_path: Path, name: str) -> None:
    data = b"\n".join(json.dumps({"text": f"{n * 7919 % 1000}" * 9}).encode() for n in range(20_000))
    whole = gzip.compress(data) if name.endswith("gz") else zstandard.ZstdCompressor().compress(data)
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=rf"{name}: compressed data (is damaged|ends) after line \d+"):
        list(read_jsonl(file_unit(tmp_path / name), ReadOptions()))


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_compressed_file_of_no_bytes_is_no_file_without_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=rf"{name}: compressed data is damaged after line 0 .the file is empty"):
        list(read_jsonl(file_unit(tmp_path / name), ReadOptions()))
    (tmp_path / "b.jsonl").write_bytes(b"")
    assert list(read_jsonl(file_unit(tmp_path / "b.jsonl"), ReadOptions())) == []
