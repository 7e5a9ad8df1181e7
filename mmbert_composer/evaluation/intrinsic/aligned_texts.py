"""Aligned texts from what is at hand: ``verses`` of JSON lines, Tatoeba's pairs of files."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from xxhash import xxh64_intdigest

from mmbert_composer.data.languages import normalise_language
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext import Bitext
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument, read_documents, text_files

PIVOT = "eng"


def read_verses(documents: Iterable[TextDocument]) -> dict[str, dict[str, str]]:
    """Language to {id of a verse: its text}, of the documents that say which verse each line is.

    Raises UserError where a document has another number of lines than of verses.
    """
    verses: dict[str, dict[str, str]] = defaultdict(dict)
    for document in documents:
        if not document.verses:
            continue
        lines = document.text.split("\n")
        if len(lines) != len(document.verses):
            raise UserError(
                f"a document of {document.stream} has {len(lines)} lines and {len(document.verses)} verses "
                f"({document.verses[0]} ...): each line must be a verse"
            )
        for name, line in zip(document.verses, lines, strict=True):
            if line.strip():
                verses[document.language].setdefault(name, line.strip())
    return dict(verses)


def pivot_of(verses: Mapping[str, Mapping[str, str]]) -> str:
    """The language that the others are aligned with: English; without it that of most verses, the first by code."""
    return PIVOT if PIVOT in verses else max(sorted(verses), key=lambda language: len(verses[language]))


def verse_bitexts(
    verses: Mapping[str, Mapping[str, str]], most: int, languages: Collection[str] | None = None
) -> list[Bitext]:
    """Each language (of ``languages``, if any are given) against the pivot, by language.

    At most ``most`` verses that both have, those whose ids have the lowest hashes: nearly the same ones in every
    language. Languages that share none are left out.
    """
    if len(verses) < 2:
        raise UserError(f"aligned verses of {len(verses)} language(s); two are needed")
    pivot = pivot_of(verses)
    wanted = set(verses) - {pivot} if languages is None else set(verses).intersection(languages) - {pivot}
    bitexts = []
    for language in sorted(wanted):
        shared = sorted(verses[language].keys() & verses[pivot].keys(), key=lambda name: (xxh64_intdigest(name), name))
        if chosen := shared[:most]:
            source, target = verses[language], verses[pivot]
            bitexts.append(Bitext(language, [source[name] for name in chosen], [target[name] for name in chosen]))
    if not bitexts:
        asked = "" if languages is None else f" of {', '.join(sorted(languages))}"
        raise UserError(f"no verses{asked} that {pivot} has as well; there are {', '.join(sorted(verses))}")
    return bitexts


def read_bitexts(where: Path, most: int) -> list[Bitext]:
    """Every language's first ``most`` pairs of Tatoeba in ``where``, or without it the verses of its JSON lines.

    Raises UserError, with what was looked for, where there are neither.
    """
    if pairs := find_tatoeba(where):
        bitexts = [read_tatoeba(language, files) for language, files in pairs.items()]
        return [Bitext(b.language, b.source[:most], b.target[:most]) for b in bitexts]
    try:
        verses = read_verses(read_documents(text_files(where)))
    except UserError as error:
        raise UserError(f"no aligned texts: no tatoeba.*-eng.eng in {where} or its tatoeba/, and {error}") from None
    if not verses:
        raise UserError(
            f"no aligned texts: no tatoeba.*-eng.eng in {where} or its tatoeba/, and no `verses` in its text"
        )
    return verse_bitexts(verses, most)


def find_tatoeba(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Language to (its file, the English file) of ``tatoeba.AAA-eng.{AAA,eng}`` in ``folder`` or its ``tatoeba/``."""
    pairs: dict[str, tuple[Path, Path]] = {}
    for place in (folder, folder / "tatoeba"):
        for path in sorted(place.glob("tatoeba.*-eng.eng")):
            language = path.name.split(".")[1].removesuffix("-eng")
            other = path.with_name(f"tatoeba.{language}-eng.{language}")
            if not other.is_file():
                raise UserError(f"{path} is there, but {other.name} beside it is not")
            pairs.setdefault(language, (other, path))
    return pairs


def read_tatoeba(language: str, files: tuple[Path, Path]) -> Bitext:
    """A pair of files, line by line. Raises UserError when they differ in length."""
    source, target = ([line.strip() for line in path.read_text(encoding="utf-8").splitlines()] for path in files)
    if len(source) != len(target):
        raise UserError(f"{files[0].name} has {len(source)} lines and {files[1].name} {len(target)}: not aligned")
    return Bitext(normalise_language(language), source, target)
