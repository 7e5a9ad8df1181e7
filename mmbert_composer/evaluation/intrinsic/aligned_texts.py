"""Aligned texts from what is at hand: ``verses`` of JSON lines, Tatoeba's pairs of files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from xxhash import xxh64_intdigest

from mmbert_composer.data.languages import normalise_language
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext import Bitext
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument

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


def verse_bitexts(verses: Mapping[str, Mapping[str, str]], most: int, pivot: str = PIVOT) -> list[Bitext]:
    """Each language against the ``pivot`` (English; without it the language of most verses), by language.

    At most ``most`` verses that both have, those whose ids have the lowest hashes: nearly the same ones in every
    language. Languages that share none are left out.
    """
    if len(verses) < 2:
        raise UserError(f"aligned verses of {len(verses)} language(s); two are needed")
    if pivot not in verses:
        pivot = max(sorted(verses), key=lambda language: len(verses[language]))
    bitexts = []
    for language in sorted(set(verses) - {pivot}):
        shared = sorted(verses[language].keys() & verses[pivot].keys(), key=lambda name: (xxh64_intdigest(name), name))
        if chosen := shared[:most]:
            source, target = verses[language], verses[pivot]
            bitexts.append(Bitext(language, [source[name] for name in chosen], [target[name] for name in chosen]))
    return bitexts


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
