from collections import Counter, defaultdict

import pytest

from mmbert_composer.data.inputs.cldr import locale_texts, read_cldr
from mmbert_composer.data.inputs.document import Document, Record, Skipped


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(read_cldr())


@pytest.fixture(scope="module")
def texts(records: list[Record]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if isinstance(record, Document):
            assert record.source == "cldr"
            found[record.language].append(record.text)
    return found


def test_there_are_real_words_in_many_languages(texts: dict[str, list[str]]) -> None:
    assert len(texts) >= 150
    assert "Deutsch" in "\n".join(texts["deu"]).splitlines()
    assert "Français" in "\n".join(texts["fra"]).splitlines() or "français" in "\n".join(texts["fra"]).splitlines()
    assert {"zho_Hans", "zho_Hant", "srp_Cyrl", "srp_Latn"} <= texts.keys()
    assert "srp" not in texts


def test_texts_have_800_to_2000_characters_and_no_string_twice(texts: dict[str, list[str]]) -> None:
    for language, of_language in texts.items():
        assert all(800 <= len(text) <= 2000 for text in of_language), language
        strings = "\n".join(of_language).splitlines()
        assert max(Counter(strings).values()) == 1, language


def test_small_languages_are_dropped_and_listed(records: list[Record], texts: dict[str, list[str]]) -> None:
    for language, of_language in texts.items():
        assert sum(map(len, of_language)) + len(of_language) >= 4000, language
    skipped = [record for record in records if isinstance(record, Skipped)]
    assert {record.reason for record in skipped} == {"language below 4,000 characters"}
    assert not any(record.bad for record in skipped)
    listed = {record.stream.removeprefix("cldr/") for record in skipped}
    assert len(listed) > 50
    assert not listed & texts.keys()


def test_no_two_languages_run_parallel() -> None:
    strings = [f"string number {number}" for number in range(200)]
    german, french = "\n".join(locale_texts(strings, "deu")), "\n".join(locale_texts(strings, "fra"))
    assert german != french
    assert sorted(german.splitlines()) == sorted(french.splitlines()) == sorted(strings)
    assert "\n".join(locale_texts(strings, "deu")) == german


@pytest.mark.parametrize("count", [1, 60, 75, 90, 105, 120, 135, 150, 210])
def test_no_length_leaves_a_crumb(count: int) -> None:
    strings = [f"string number {number:03d}" for number in range(count)]
    texts = locale_texts(strings, "deu")
    assert sorted("\n".join(texts).splitlines()) == strings
    assert count < 60 or all(800 <= len(text) <= 2000 for text in texts)
