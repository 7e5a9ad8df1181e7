from pathlib import Path

import pytest

from mmbert_composer.data.inputs.document import Document, Skipped
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec
from mmbert_composer.data.inputs.text import read_text
from mmbert_composer.errors import UserError
from tests.data.inputs.units import file_unit


@pytest.fixture
def german(tmp_path: Path) -> Path:
    (tmp_path / "de").mkdir()
    return tmp_path / "de"


def test_a_file_is_a_document_with_its_inner_lines_as_they_are(german: Path) -> None:
    (german / "a.txt").write_bytes(b"Erste\r\n\n  zweite Zeile\n\n")
    assert list(read_text(file_unit(german / "a.txt"), ReadOptions())) == [
        Document("Erste\r\n\n  zweite Zeile", "deu", "text", lines=4)
    ]


def test_paragraphs_are_documents_where_asked(german: Path) -> None:
    (german / "a.txt").write_text("\none\nmore\n\n \n\ntwo\n\n")
    records = list(read_text(file_unit(german / "a.txt"), ReadOptions(split="paragraphs", source="web")))
    assert records == [Document("one\nmore", "deu", "web", lines=2), Document("two", "deu", "web", lines=1)]


def test_a_bad_byte_costs_its_line_alone(german: Path) -> None:
    (german / "a.txt").write_bytes(b"one\nb\xffd\nthree")
    bad, document = read_text(file_unit(german / "a.txt"), ReadOptions())
    assert bad == Skipped("invalid UTF-8", f"{german / 'a.txt'}:2", "byte 2 of the line", record=False)
    assert document == Document("one\nthree", "deu", "text", lines=2)


@pytest.mark.parametrize("split", ["files", "paragraphs"])
@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_said(german: Path, split: str, content: bytes) -> None:
    (german / "a.txt").write_bytes(content)
    records = list(read_text(file_unit(german / "a.txt"), ReadOptions(split=split)))
    assert [(r.reason, r.where) for r in records if isinstance(r, Skipped)] == [("empty text", f"{german / 'a.txt'}:1")]


def test_the_folder_must_name_a_language(tmp_path: Path) -> None:
    for name in ("corpus", "und"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("a")
    with pytest.raises(UserError, match=r"corpus/a.txt: its folder names no language .*name the folder after"):
        parse_spec(f"text:{tmp_path}/*/a.txt", ReadOptions())
    (unit,) = parse_spec(f"text:{tmp_path}/und/a.txt", ReadOptions()).found.units
    assert unit.language == "und"


def test_split_is_one_of_two() -> None:
    with pytest.raises(UserError, match="split='lines' must be one of files, paragraphs"):
        ReadOptions(split="lines")
