import csv
import gzip
import json

import pytest

from mmbert_composer.data.languages import (
    bare_and_scripted,
    language_name,
    normalise_language,
    sort_languages,
    stream_display_name,
)
from mmbert_composer.errors import UserError
from tests.conftest import REAL_DATA


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("en", "eng"),
        ("eng", "eng"),
        ("et", "est"),
        ("est", "est"),
        ("ekk", "ekk"),
        ("swa", "swa"),
        ("swh", "swh"),
        ("iw", "heb"),
        ("ENG_latn", "eng_Latn"),
        ("zh-Hant", "zho_Hant"),
        ("zh_Hant_TW", "zho_Hant"),
        ("pt-BR", "por"),
        ("es-419", "spa"),
        ("und", "und"),
        ("tok", "tok"),
    ],
)
def test_codes_become_iso_639_3_with_the_script_where_one_is_named(given: str, expected: str) -> None:
    assert normalise_language(given) == expected
    assert normalise_language(expected) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("engg", "'engg' is neither an ISO 639 code nor code_Script .*nearest: .*eng"),
        ("zzz", "unknown language code 'zzz'"),
        ("xx", "unknown language code 'xx'"),
        ("eng_Qqqq", "unknown script 'Qqqq'"),
        ("english", r"neither .*nearest: eng \(English\)"),
        ("Deutsch_Latn", r"neither .*nearest: deu \(German\)"),
        ("", "neither"),
        ("../etc", "neither"),
    ],
)
def test_an_unknown_code_is_an_error_that_names_it(given: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        normalise_language(given)


def test_names_are_for_people() -> None:
    assert language_name("deu") == "German"
    assert language_name("est") == "Estonian"
    assert language_name("ekk") == "Standard Estonian"
    assert language_name("zho_Hant") == "Chinese (Traditional)"
    assert language_name("tgl") == "Tagalog"
    assert language_name("heb") == "Hebrew"
    assert stream_display_name("cldr/uzb_Cyrl") == "Uzbek (Cyrillic)"
    assert stream_display_name("starcoder/und") == "starcoder"


def test_languages_sort_by_name_and_not_by_code() -> None:
    assert sort_languages(["spa", "deu", "sqi"]) == ["sqi", "deu", "spa"]


def test_bare_and_scripted_codes_of_one_language_are_found() -> None:
    assert bare_and_scripted(["srp_Latn", "srp", "srp_Cyrl", "zho_Hans", "deu"]) == {"srp": ["srp_Cyrl", "srp_Latn"]}


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real text of ../shared/data is not here")
def test_every_code_of_real_corpora_is_known() -> None:
    with (REAL_DATA / "mmbert-language-counts.csv").open() as file:
        published = [row["language"] for row in csv.DictReader(file)]
    with gzip.open(REAL_DATA / "udhr.jsonl.gz", "rt") as file:
        published += {json.loads(line)["language"] for line in file}
    published.remove("code")  # the published counts hold source code as a language
    assert [code for code in published if normalise_language(code) != code] == []
    named = [code for code in published if language_name(code) != code]
    assert len(named) > 0.99 * len(published)
