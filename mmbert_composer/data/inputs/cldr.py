"""``cldr:``: real words and names in some 220 languages and scripts, offline, from the locale data in Babel's package.

Regional variants are merged, identical strings dropped, and the strings of a language put into an order of its own, so
that no two languages run parallel. Licence of the text: Unicode License v3.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import babel
from babel.localedata import load, locale_identifiers
from langcodes import Language
from xxhash import xxh64_intdigest

from mmbert_composer.data.inputs.document import Document, Record, Skipped
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.data.languages import normalise_language
from mmbert_composer.errors import UserError

LICENCE = "Unicode License v3 (CLDR, through Babel)"
TEXT_BYTES = 10_000_000
"""Of all texts together, about."""
MIN_CHARACTERS = 4_000
MIN_TEXT, MAX_TEXT = 800, 2_000

# Sections of codes and patterns ("EEEE, d. MMMM y"), not of words.
PATTERN_SECTIONS = frozenset(
    {
        "locale_id",
        "week_data",
        "date_formats",
        "time_formats",
        "datetime_formats",
        "datetime_skeletons",
        "interval_formats",
        "number_symbols",
        "numbering_systems",
        "decimal_formats",
        "scientific_formats",
        "percent_formats",
        "currency_formats",
        "currency_symbols",
        "measurement_systems",
    }
)
_PLACEHOLDER = re.compile(r"\{\d+\}|%s|%\(\w+\)s")


def find_cldr(where: str, options: ReadOptions) -> Found:
    """All of it as one unit. Raises UserError for anything after the colon."""
    if where:
        raise UserError(f"input 'cldr:{where}': cldr: takes nothing after the colon")
    return Found((InputUnit("cldr", "", TEXT_BYTES, babel.__version__),))


def read_cldr_unit(unit: InputUnit, options: ReadOptions) -> Iterator[Record]:
    """Every text, under the source that the options name."""
    yield from read_cldr(options.source or "cldr")


def read_cldr(source: str = "cldr") -> Iterator[Record]:
    """The texts of every language with at least 4,000 characters; the others' as ``Skipped``, named."""
    strings = _strings_of_every_script()
    large = {key for key, found in strings.items() if _size(found) >= MIN_CHARACTERS}
    scripts, large_scripts = Counter(key[0] for key in strings), Counter(key[0] for key in large)
    for (language, script), found in sorted(strings.items()):
        is_large = (language, script) in large
        # A small script of a language is named in full, so that it cannot be taken for the language.
        bare = (large_scripts if is_large else scripts)[language] == 1
        code = normalise_language(language if bare else f"{language}_{script}")
        texts = locale_texts(sorted(found), code)
        if is_large:
            yield from (Document(text, code, source) for text in texts)
            continue
        reason = f"language below {MIN_CHARACTERS:,} characters"
        detail = f"{code} has {_size(found):,}"
        where = f"babel {babel.__version__} {language}_{script}"
        for _ in texts:
            yield Skipped(reason, where, detail, bad=False, stream=f"{source}/{code}")


def locale_texts(strings: list[str], seed: str) -> list[str]:
    """Strings in an order shuffled by ``seed``, joined by newlines into texts of 800 to 2,000 characters.

    A language of fewer than 800 characters gives one shorter text.
    """
    order = sorted(strings, key=lambda string: (xxh64_intdigest(f"{seed}\0{string}"), string))
    texts: list[list[str]] = [[]]
    target = _target(seed, 0)
    for string in order:
        if _length(texts[-1]) >= target:
            texts.append([])
            target = _target(seed, len(texts))
        texts[-1].append(string)
    if len(texts) > 1 and _length(texts[-1]) < MIN_TEXT:
        rest = texts.pop()
        joined = texts.pop() + rest
        texts.extend([joined] if _length(joined) <= MAX_TEXT else _halves(joined))
    return ["\n".join(text) for text in texts]


def _target(seed: str, index: int) -> int:
    # Texts end with the string that reaches the target; no string of the locale data has 200 characters.
    return MIN_TEXT + xxh64_intdigest(f"{seed}\0length {index}") % (MAX_TEXT - 200 - MIN_TEXT)


def _halves(strings: list[str]) -> list[list[str]]:
    half = _length(strings) / 2
    cut = next(index for index in range(1, len(strings)) if _length(strings[:index]) >= half)
    return [strings[:cut], strings[cut:]]


def _length(strings: list[str]) -> int:
    return sum(map(len, strings)) + max(0, len(strings) - 1)


def _size(strings: set[str]) -> int:
    return sum(len(string) + 1 for string in strings)


def _strings_of_every_script() -> dict[tuple[str, str], set[str]]:
    """(two- or three-letter language, script) -> its distinct strings, over all regions."""
    strings: dict[tuple[str, str], set[str]] = defaultdict(set)
    for identifier in sorted(locale_identifiers()):
        language, *rest = identifier.split("_")
        if identifier == "root" or language == "und":
            continue
        script = next((part for part in rest if len(part) == 4 and part.isalpha()), None)
        key = language, script or Language.get(language).maximize().script or "Zyyy"
        for section, content in load(identifier, merge_inherited=False).items():
            if section not in PATTERN_SECTIONS:
                strings[key].update(_words(content))
    return strings


def _words(content: Any) -> Iterator[str]:
    """Strings that hold a letter, without placeholders and runs of white space."""
    if isinstance(content, str):
        string = " ".join(_PLACEHOLDER.sub(" ", content).split())
        if any(character.isalpha() for character in string):
            yield string
    elif isinstance(content, dict):
        for value in content.values():
            yield from _words(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _words(value)


CLDR = InputKind("cldr: (the locale data in the Babel package)", find_cldr, read_cldr_unit, licence=LICENCE)
