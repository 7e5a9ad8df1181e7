"""What every reader yields: documents, and what it had to leave out."""

import re
from dataclasses import dataclass

from mmbert_composer.data.inputs.token_sequences import TokenSequences
from mmbert_composer.data.languages import NO_LANGUAGE, normalise_language
from mmbert_composer.data.manifest import RESERVED_SOURCES
from mmbert_composer.errors import UserError

_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Document:
    """One text of one language and source."""

    text: str
    """Without white space around it; never empty; can be written as UTF-8."""
    language: str
    """Stream code as ``normalise_language`` gives it; ``und`` for a source without languages."""
    source: str
    lines: int = 1
    """Input lines it was read from."""

    @property
    def stream(self) -> str:
        """Name of its stream, ``source/language``."""
        return f"{self.source}/{self.language}"


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Documents of one language and source that were tokenized before, each a sequence from BOS to EOS."""

    sequences: TokenSequences
    language: str
    source: str

    @property
    def stream(self) -> str:
        """Name of their stream."""
        return f"{self.source}/{self.language}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that became no document, or a line that was left out of one."""

    reason: str
    """From a small set, so that it can be counted: "invalid UTF-8", "empty text", ..."""
    where: str
    """``file:line`` or ``file:row``, with the record's id where it has one."""
    detail: str = ""
    """What exactly was wrong, for people."""
    bad: bool = True
    """Whether it counts against ``max_bad_fraction``; False where leaving it out is the rule."""
    record: bool = True
    """Whether a whole record is missing; False for a line left out of a text that is kept."""
    stream: str = ""
    """``source/language`` where it is known."""


Record = Document | TokenBatch | Skipped


def as_document(
    text: str, language: str | None, source: str, where: str, lines: int = 1, min_characters: int = 0
) -> Record:
    """A checked document, or why it is none. ``language`` None or "" means a source without languages.

    White space around the text goes, so that a text is the same document in every kind of file.
    """
    text = text.strip().removeprefix("\ufeff").lstrip()
    try:
        check_source(source)
    except UserError as error:
        return Skipped("invalid source name", where, str(error))
    try:
        code = normalise_language(language) if language else NO_LANGUAGE
    except UserError as error:
        return Skipped("unknown language", where, str(error))
    stream = f"{source}/{code}"
    if not text:
        return Skipped("empty text", where, stream=stream)
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can escape half of a surrogate pair, which no UTF-8 file can hold
        return Skipped("invalid UTF-8", where, "the text holds half of a surrogate pair", stream=stream)
    if len(text) < min_characters:
        return Skipped(f"below {min_characters:,} characters", where, bad=False, stream=stream)
    return Document(text, code, source, lines)


def check_source(source: str) -> None:
    """Raise UserError unless ``source`` can be the name of a folder beside ours in DATA."""
    if source in RESERVED_SOURCES:
        raise UserError(f"source name {source!r} is reserved: choose another one")
    if not _SOURCE.fullmatch(source):
        raise UserError(f"source name {source!r} must be letters, digits, dots, hyphens and underscores")
