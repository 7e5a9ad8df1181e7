from dataclasses import replace

import pytest

from mmbert_composer.data.inputs.document import Document, Skipped
from mmbert_composer.data.inputs.fields import read_fields, wanted_fields
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError

UNIT = InputUnit("parquet", "/a.parquet", 1, "1 bytes")


def test_nested_fields_and_defaults() -> None:
    options = ReadOptions(text_field="doc.body", language="en", source="web", id_field="meta.id")
    assert read_fields({"doc": {"body": "a"}}, "x:1", UNIT, options) == Document("a", "eng", "web")
    record = {"doc": {"body": "a"}, "language": "de", "source": "news"}
    assert read_fields(record, "x:1", UNIT, options) == Document("a", "deu", "news")
    of_path = replace(UNIT, language="fra_Latn", source="fineweb2")
    assert read_fields(record, "x:1", of_path, options) == Document("a", "fra_Latn", "fineweb2")
    skipped = read_fields({"meta": {"id": "n1"}}, "x:1", UNIT, options)
    assert isinstance(skipped, Skipped)
    assert (skipped.reason, skipped.where, skipped.detail) == ("no text field", "x:1 (id n1)", "no field 'doc.body'")
    assert wanted_fields(replace(options, filter=("meta.score > 1",))) == [
        "doc.body", "doc", "meta.id", "meta", "language", "source", "meta.score",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "reason", "bad"),
    [
        ({"text": "abc", "score": 1}, "filter score >= 2", False),
        ({"text": "abc"}, "no field to filter by", True),
        ({"text": "abc", "score": "high"}, "field of another type than the filter", True),
        ({"text": "ab", "score": 2}, "below 3 characters", False),
        ({"text": "", "score": 2}, "empty text", True),
    ],
)
def test_what_is_left_out_by_rule_is_not_bad_and_what_lacks_a_field_is(record, reason: str, bad: bool) -> None:
    options = ReadOptions(filter=("score >= 2",), min_characters=3)
    skipped = read_fields(record, "x:1", UNIT, options)
    assert isinstance(skipped, Skipped)
    assert (skipped.reason, skipped.bad) == (reason, bad)
    assert read_fields({"text": "abc", "score": 2}, "x:1", UNIT, options) == Document("abc", "und", "parquet")


def test_a_text_of_one_character_is_a_document() -> None:
    assert read_fields({"text": " a "}, "x:1", UNIT, ReadOptions()) == Document("a", "und", "parquet")


def test_options_and_units_survive_json() -> None:
    options = ReadOptions(filter=("score >= 2",), folders=("a*=b/deu",), licence="CC0", min_characters=3)
    assert ReadOptions.from_json(options.to_json()) == options
    assert ReadOptions().to_json() == {}
    unit = replace(UNIT, begin=3, end=5, language="deu")
    assert InputUnit.from_json(unit.to_json()) == unit
    assert (UNIT.name, unit.name) == ("/a.parquet", "/a.parquet[3:5]")
    with pytest.raises(UserError, match="min_characters=-1 must be at least 0"):
        ReadOptions(min_characters=-1)
    with pytest.raises(UserError, match="filter 'score' must be FIELD"):
        ReadOptions(filter=("score",))
