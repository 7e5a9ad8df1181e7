"""Documents to evaluate on: ``*.jsonl`` and ``*.jsonl.gz`` files whose records have ``text`` and ``language``."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xxhash import xxh64_intdigest

from mmbert_composer.data.inputs.document import Document, as_document
from mmbert_composer.errors import UserError

_ENDINGS = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class TextDocument:
    """One text; ``source`` is the record's own, or the file's name without its endings."""

    text: str
    """Stripped, as ``mmbert prepare`` would take it."""
    language: str
    """Stream code as ``normalise_language`` gives it."""
    source: str
    verses: tuple[str, ...] = field(default=())
    """Ids of its lines, which texts of other languages share; or none."""

    @property
    def hash(self) -> int:
        """xxh64 of the text: what ``mmbert prepare`` knows a document by."""
        return xxh64_intdigest(self.text.encode())

    @property
    def stream(self) -> str:
        """``source/language``."""
        return f"{self.source}/{self.language}"


def text_files(where: Path) -> list[Path]:
    """The files of ``where`` (a file, or a folder) whose first record has text and language.

    Raises UserError, with what was found, when there is none.
    """
    candidates = [where] if where.is_file() else sorted(p for p in where.glob("*") if p.name.endswith(_ENDINGS))
    found = [path for path in candidates if _has_text(path)]
    if not found:
        names = ", ".join(path.name for path in candidates[:5]) or "none"
        raise UserError(
            f"{where}: no *.jsonl or *.jsonl.gz file with the fields text and language (JSON lines found: {names})"
        )
    return found


def read_documents(files: Iterable[Path]) -> Iterator[TextDocument]:
    """Documents of all files; records that are none (empty, unknown language) are left out as ``prepare`` does."""
    for path in files:
        for record in _records(path):
            source = record.get("source") or path.name.partition(".")[0]
            language, text = record.get("language"), record.get("text")
            if not isinstance(text, str) or not isinstance(language, str):
                continue
            document = as_document(text, language, str(source), str(path))
            if isinstance(document, Document):
                verses = record.get("verses") or ()
                yield TextDocument(document.text, document.language, document.source, tuple(verses))


def sample_by_stream(documents: Iterable[TextDocument], most: int) -> dict[str, list[TextDocument]]:
    """At most ``most`` documents of each stream, those of lowest hash; each text once, sorted by hash.

    A choice that depends on the texts alone: not on their order, nor on other streams.
    """
    kept: dict[str, dict[int, TextDocument]] = defaultdict(dict)
    for document in documents:
        of_stream = kept[document.stream]
        of_stream[document.hash] = document
        if len(of_stream) > 2 * most + 16:
            kept[document.stream] = dict(sorted(of_stream.items())[:most])
    return {name: [d for _, d in sorted(of_stream.items())[:most]] for name, of_stream in sorted(kept.items())}


def _has_text(path: Path) -> bool:
    first = next(_records(path), {})
    return "text" in first and "language" in first


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{path}:{number}: no JSON: {error}") from None
            if isinstance(record, dict):
                yield record
