"""Which evaluation texts are among the documents that a model was trained on, by the hash of the whole text.

It sees an evaluation text that is a whole training document, letter for letter. It does not see one that is a part of
a document (a verse of a chapter), one that differs by a letter or a space inside, nor documents that were prepared as
tokens (``mds:``).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh64_intdigest

from mmbert_composer.evaluation.evaluation_texts import read_texts, text_places
from mmbert_composer.evaluation.training_texts import TrainingTexts

_EXAMPLES = 3
_SHOWN = 80

BLIND_TO = (
    "Found are texts that are a whole training document, letter for letter. Not seen: texts that are a part of a "
    "document, or differ by a letter or a space; documents that were prepared as tokens (mds:)."
)


@dataclass(frozen=True)
class FileContamination:
    """Of one file of evaluation data."""

    file: str
    texts: int
    """Different texts: every string of every record."""
    trained: int
    """Of them, documents of the training part."""
    held_out: int
    """Of them, documents of the held-out part."""
    streams: dict[str, int]
    """Stream to how many of them it trained on."""
    examples: tuple[str, ...]
    """Beginnings of texts that were trained on."""


def find_contamination(training: TrainingTexts, folder: Path) -> tuple[list[FileContamination], list[str]]:
    """Each file of ``folder``, and the names of the files that could not be read as evaluation data."""
    known, unknown = text_places(folder)
    found = [_of_file(training, folder, path) for path in known]
    return found, [str(path.relative_to(folder)) for path in unknown]


def contamination_json(data: Path, found: list[FileContamination], unread: list[str]) -> dict[str, Any]:
    """The same as a JSON object, with what cannot be seen."""
    return {
        "format": 1,
        "trained_on": str(data),
        "files": [asdict(file) for file in found],
        "not_read": unread,
        "blind_to": BLIND_TO,
    }


def contamination_note(found: list[FileContamination], most: int = 5) -> list[str]:
    """A line for each file that has texts which were trained on, the worst first; one line where none has."""
    hit = sorted((file for file in found if file.trained), key=lambda file: (-file.trained / file.texts, file.file))
    if not hit:
        return [f"contamination: none of {sum(file.texts for file in found):,} texts is a training document"]
    lines = [f"contamination: {file.trained:,} of {file.texts:,} texts of {file.file} were trained on" for file in hit]
    return lines[:most] + ([f"contamination: and in {len(hit) - most} more files"] if len(hit) > most else [])


def _of_file(training: TrainingTexts, folder: Path, path: Path) -> FileContamination:
    hashes = np.unique(np.fromiter((_hash(text) for text in read_texts(path)), np.uint64))
    trained = hashes[training.trained(hashes)]
    return FileContamination(
        str(path.relative_to(folder)),
        len(hashes),
        len(trained),
        int(training.held_out(hashes).sum()),
        training.streams_with(trained) if len(trained) else {},
        tuple(_examples(path, set(trained.tolist()))),
    )


def _examples(path: Path, wanted: set[int]) -> Iterator[str]:
    left = min(_EXAMPLES, len(wanted))
    for text in read_texts(path) if left else ():
        if (key := _hash(text)) in wanted:
            wanted.discard(key)
            yield text[:_SHOWN]
            left -= 1
            if not left:
                return


def _hash(text: str) -> int:
    return xxh64_intdigest(text.encode("utf-8", "surrogatepass"))
