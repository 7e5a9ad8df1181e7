from pathlib import Path

import pytest

from mmbert_composer.data.inputs.document import Document
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_inputs, parse_spec
from mmbert_composer.errors import UserError


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("json:a", r"must be one of jsonl:, parquet:, text:, fineweb2:, hf:, mds:, cldr: and a path; nearest: jsonl:"),
        ("a.jsonl", "must be one of"),
        ("jsonl:", "no file matches"),
        ("jsonl:nowhere/*.jsonl", "no file matches 'nowhere/"),
        ("cldr:de", "takes nothing after the colon"),
    ],
)
def test_a_bad_spec_says_what_is_possible(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_spec(spec, ReadOptions())


def test_a_glob_gives_its_files_in_order_and_a_folder_is_explained(tmp_path: Path) -> None:
    for name in ("b", "a", "[x]"):
        (tmp_path / f"{name}.jsonl").write_text('{"text": "' + name + '"}')
    spec = parse_spec(f"jsonl:{tmp_path}/?.jsonl", ReadOptions())
    assert [r.text for r in spec.read() if isinstance(r, Document)] == ["a", "b"]
    assert [file["size"] for file in spec.identity()["files"]] == [13, 13]
    assert len(parse_spec(f"jsonl:{tmp_path}/[x].jsonl", ReadOptions()).found.units) == 1
    with pytest.raises(UserError, match="is a folder: name the files in it"):
        parse_spec(f"jsonl:{tmp_path}", ReadOptions())


def test_inputs_must_be_there_and_differ(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(UserError, match="no input: name at least one"):
        parse_inputs([], ReadOptions())
    with pytest.raises(UserError, match=r"both name .*a.jsonl: it would be read twice"):
        parse_inputs([f"jsonl:{tmp_path}/a.jsonl", f"jsonl:{tmp_path}/*.jsonl"], ReadOptions())
    with pytest.raises(UserError, match="source name 'heldout' is reserved"):
        parse_inputs([f"jsonl:{tmp_path}/a.jsonl"], ReadOptions(source="heldout"))
