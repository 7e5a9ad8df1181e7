"""Hashes of the documents of a stream's earlier parts: what was trained on and what is held out stays so."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.preparing.work_folder import WorkFolder

SIDES = ("training", "heldout")


def hash_file(part_folder: Path, stream: str, side: str) -> Path:
    """Where the sorted hashes of a part's documents of ``stream`` on one side lie; absent where there are none."""
    return part_folder / "hashes" / f"{stream}.{side}"


class KnownHashes:
    """Mapped files of sorted uint64; nothing is read but what is asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._arrays = [np.memmap(path, np.uint64, "r") for path in files if path.is_file() and path.stat().st_size]

    @staticmethod
    def of_stream(folder: WorkFolder, parts: Sequence[str], stream: str, side: str) -> "KnownHashes":
        """Those of ``parts``; ``side`` one of "training" and "heldout"."""
        return KnownHashes([hash_file(folder.part(part), stream, side) for part in parts])

    def contains(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of ``hashes`` are known, [n] -> [n]."""
        found = np.zeros(len(hashes), bool)
        for known in self._arrays:
            place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            found |= known[place] == hashes
        return found
