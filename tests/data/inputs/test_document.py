import pytest

from mmbert_composer.data.inputs.document import Document, Skipped, as_document, check_source
from mmbert_composer.errors import UserError


def test_white_space_around_a_text_goes_and_its_language_is_normalised() -> None:
    assert as_document(" \ufeff a b\n", "de", "news", "x:1") == Document("a b", "deu", "news")
    assert as_document("a", None, "news", "x:1") == Document("a", "und", "news")


@pytest.mark.parametrize(
    ("text", "language", "source", "reason"),
    [
        ("\n\t ", "deu", "news", "empty text"),
        ("half \ud83d", "deu", "news", "invalid UTF-8"),
        ("a", "xx", "news", "unknown language"),
        ("a", "deu", "heldout", "invalid source name"),
        ("a", "deu", "../up", "invalid source name"),
    ],
)
def test_what_is_no_document_says_why(text: str, language: str, source: str, reason: str) -> None:
    skipped = as_document(text, language, source, "x:1")
    assert isinstance(skipped, Skipped)
    assert (skipped.reason, skipped.where, skipped.bad) == (reason, "x:1", True)


@pytest.mark.parametrize("name", ["heldout", "tokenizer", "manifest.json"])
def test_our_own_names_are_reserved(name: str) -> None:
    with pytest.raises(UserError, match=f"source name '{name}' is reserved"):
        check_source(name)
