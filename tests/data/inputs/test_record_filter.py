import pytest

from mmbert_composer.data.inputs.record_filter import nested_field, parse_condition
from mmbert_composer.errors import UserError

RECORD = {"score": 3, "meta": {"lang": "en", "a.b": 1}, "set": "books", "none": None}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("score >= 3", True),
        ("score>3", False),
        ("score != 3.0", False),
        ("meta.lang == 'en'", True),
        ("set in ['arxiv', 'books']", True),
        ("set not in ('arxiv', 'books')", False),
        ("set < 'c'", True),
    ],
)
def test_conditions_compare_fields_with_constants(text: str, holds: bool) -> None:
    assert parse_condition(text).holds(RECORD) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score", "must be FIELD == | != "),
        ("score ~ 3", "must be FIELD"),
        ("score > three", "'three' is no constant"),
        ("score == __import__('os')", "is no constant"),
        ("set in 'books'", r"in needs a list, as in set in \['a', 'b'\]"),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("|", r"\|")):
        parse_condition(text)


def test_a_field_that_is_absent_or_null_is_no_answer() -> None:
    for name in ("missing", "none", "meta.missing", "score.inner"):
        with pytest.raises(LookupError):
            parse_condition(f"{name} == 1").holds(RECORD)
    with pytest.raises(TypeError):
        parse_condition("set > 3").holds(RECORD)
    assert nested_field({"meta.lang": 5, **RECORD}, "meta.lang") == 5
