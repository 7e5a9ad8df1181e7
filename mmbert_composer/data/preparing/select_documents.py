"""What becomes of each document of a stream, from the hashes alone. Pure."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.held_out_split import num_candidates


class Verdict(IntEnum):
    """What becomes of a document."""

    TRAIN = 0
    CANDIDATE = 1
    """May be held out, if the held-out blocks hold it; else trained on."""
    DUPLICATE = 2
    HELD_OUT_BEFORE = 3
    """The same text is held out in an earlier part."""
    SURPLUS = 4
    """More than ``max_documents``."""


REASONS = {
    Verdict.DUPLICATE: "duplicate",
    Verdict.HELD_OUT_BEFORE: "held out in an earlier part",
    Verdict.SURPLUS: "beyond max_documents",
}


def keep_or_drop(
    hashes: NDArray[np.uint64],
    trained_before: NDArray[np.bool_],
    held_out_before: NDArray[np.bool_],
    dedup: bool,
) -> NDArray[np.uint8]:
    """TRAIN, DUPLICATE or HELD_OUT_BEFORE for documents in the order of their ``hashes``, ascending."""
    verdicts = np.full(len(hashes), Verdict.TRAIN, np.uint8)
    if dedup:
        verdicts[1:][hashes[1:] == hashes[:-1]] = Verdict.DUPLICATE
        verdicts[trained_before] = Verdict.DUPLICATE
    verdicts[held_out_before] = Verdict.HELD_OUT_BEFORE
    return verdicts


def mark_candidates(
    verdicts: NDArray[np.uint8], hashes: NDArray[np.uint64], trained_before: NDArray[np.bool_], documents: int
) -> None:
    """Turn TRAIN into CANDIDATE for the documents that may be held out.

    ``documents``: of the whole stream that are new and kept (``num_new``); ``hashes`` may be only the lowest ones. A
    text that an earlier part trained on is none.
    """
    new = np.flatnonzero((verdicts == Verdict.TRAIN) & ~trained_before)
    verdicts[new[: num_candidates(hashes[new], documents)]] = Verdict.CANDIDATE


def num_new(verdicts: NDArray[np.uint8], trained_before: NDArray[np.bool_]) -> int:
    """How many documents are kept and in no earlier part."""
    return int(np.count_nonzero((verdicts == Verdict.TRAIN) & ~trained_before))


def mark_surplus(verdicts: NDArray[np.uint8], most: int) -> None:
    """Turn TRAIN into SURPLUS beyond ``most`` documents, those of lowest hash first.

    The highest hashes stay: what is held out are the lowest ones, which are then the same under any limit.
    """
    training = np.flatnonzero(verdicts == Verdict.TRAIN)
    verdicts[training[: max(0, len(training) - most)]] = Verdict.SURPLUS
