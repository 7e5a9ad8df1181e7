"""Language codes of streams: ISO 639-3, or ``code_Script`` as in FineWeb2.

``en`` -> ``eng``, ``zh-Hant`` -> ``zho_Hant``, ``pt-BR`` -> ``por`` (regions are merged), ``est`` and ``ekk`` stay two.
"""

import difflib
import re
from collections.abc import Iterable
from functools import cache

from langcodes import Language, LanguageTagError, tag_is_valid
from langcodes.data_dicts import LANGUAGE_ALPHA3

from mmbert_composer.errors import UserError

NO_LANGUAGE = "und"

# Codes of ISO 639-3 and FineWeb2 that CLDR's registry (which langcodes carries) lacks: one too young, one retired.
EXTRA_NAMES = {"tok": "Toki Pona", "eml": "Emiliano-Romagnolo"}

# Where the library's 639-1 code points at a successor or at no name.
ALPHA2_NAMES = {"sh": "Serbo-Croatian", "mo": "Moldavian", "no": "Norwegian"}

_TAG = re.compile(r"^(?P<code>[A-Za-z]{2,3})(?:[-_](?P<script>[A-Za-z]{4}))?(?:[-_](?:[A-Za-z]{2}|\d{3}))?$")


@cache
def normalise_language(code: str) -> str:
    """The stream code of a language tag: ISO 639-3, with ``_Script`` where the tag names one.

    Two-letter codes become three-letter ones; three-letter codes stay as they are (``est``, ``ekk``, ``swa`` and
    ``swh`` are four streams). Regions are dropped. Raises UserError with the nearest known codes.
    """
    match = _TAG.match(code.strip())
    if match is None:
        raise UserError(f"language {code!r} is neither an ISO 639 code nor code_Script (eng, zho_Hant){_nearest(code)}")
    language, script = match["code"].lower(), (match["script"] or "").title()
    if language not in EXTRA_NAMES and not tag_is_valid(language):
        raise UserError(f"unknown language code {code!r}{_nearest(language)}")
    if script and not tag_is_valid(f"und-{script}"):
        raise UserError(f"language {code!r}: unknown script {script!r} (four letters of ISO 15924, as in zho_Hant)")
    try:
        alpha3 = language if len(language) == 3 else Language.get(language, normalize=False).to_alpha3()
    except (LookupError, LanguageTagError):
        raise UserError(f"unknown language code {code!r}{_nearest(language)}") from None
    return f"{alpha3}_{script}" if script else alpha3


@cache
def language_name(code: str) -> str:
    """English display name of a stream code: ``zho_Hant`` -> "Chinese (Traditional)"; the code itself if nameless."""
    language, _, script = code.partition("_")
    if language in EXTRA_NAMES:
        return EXTRA_NAMES[language]
    if language == NO_LANGUAGE:
        return "no language"
    alpha2 = _alpha2_of_alpha3().get(language)
    tag = Language.get(alpha2 or language, normalize=False)
    name = ALPHA2_NAMES.get(alpha2 or "") or tag.language_name("en")
    if name.startswith("Unknown language"):
        return code
    if not script:
        return name
    return f"{name} ({tag.make(language=tag.language, script=script).script_name('en')})"


def stream_display_name(stream: str) -> str:
    """Name for people of a stream ``source/language``: ``cldr/deu`` -> "German"."""
    source, _, language = stream.rpartition("/")
    return source if language == NO_LANGUAGE else language_name(language)


def sort_languages(codes: Iterable[str]) -> list[str]:
    """Codes in the order of their English names, the code deciding between equal names."""
    return sorted(codes, key=lambda code: (language_name(code).casefold(), code))


def bare_and_scripted(codes: Iterable[str]) -> dict[str, list[str]]:
    """Languages that occur both bare and with a script: ``{"srp": ["srp_Latn"]}``. They are different streams."""
    known = sorted(set(codes))
    found: dict[str, list[str]] = {}
    for code in known:
        language, _, script = code.partition("_")
        if script and language in known:
            found.setdefault(language, []).append(code)
    return found


@cache
def _alpha2_of_alpha3() -> dict[str, str]:
    # Retired two-letter codes (iw, in, ji) share a three-letter code with their successors: those come later in CLDR's
    # order only by chance, so they are named.
    retired = {"iw", "in", "ji", "jw"}
    return {alpha3: alpha2 for alpha2, alpha3 in LANGUAGE_ALPHA3.items() if alpha2 not in retired}


def _nearest(code: str) -> str:
    """The language whose name ``code`` is, or codes that are written like it."""
    word = re.split(r"[-_]", code)[0].lower()
    try:
        named = Language.find(word) if len(word) > 3 else None
    except LookupError:
        named = None
    if named is not None:
        known_by = named.to_alpha3()
        return f"; nearest: {known_by} ({language_name(known_by)})"
    known = [*LANGUAGE_ALPHA3, *LANGUAGE_ALPHA3.values(), *EXTRA_NAMES]
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(close)}" if close else ""
