import pytest

from mmbert_composer.curriculum.tokens import format_tokens, parse_tokens
from mmbert_composer.errors import UserError


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("2_300_000_000_000tok", 2_300_000_000_000), ("512tok", 512), ("2.3Ttok", 2_300_000_000_000), (7, 7)],
)
def test_values(text, tokens):
    assert parse_tokens(text, "duration") == tokens


@pytest.mark.parametrize("text", ["100ba", "", "tok", 0, "-5tok", True, 1.5])
def test_errors(text):
    with pytest.raises(UserError, match=r"phase 'a': duration"):
        parse_tokens(text, "phase 'a': duration")


def test_format():
    assert [format_tokens(n) for n in (2.3e12, 81_920, 12)] == ["2.30T", "81.92k", "12"]
