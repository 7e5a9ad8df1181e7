"""The languages of mmBERT and how much text each has, from the published counts."""

import csv
from pathlib import Path

import numpy as np

COUNTS = Path(__file__).parents[3] / "shared" / "data" / "mmbert-language-counts.csv"
"""Tokens of 1,834 languages by phase; not part of this repository."""


def real_counts() -> dict[str, int] | None:
    """Language to tokens over all phases, the most first; None where the file is absent."""
    if not COUNTS.exists():
        return None
    with COUNTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = {row["language"]: sum(int(row[phase]) for phase in row if phase != "language") for row in rows}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def made_up_counts(languages: int) -> dict[str, int]:
    """Counts that fall as steeply, for a smoke test."""
    return {f"l{number:04d}": int(1e9 / (number + 1) ** 2) + 1 for number in range(languages)}


def scale(counts: dict[str, int], total: int) -> dict[str, int]:
    """Numbers in the same proportions that sum to some ``total``, each at least 1."""
    share = np.array(list(counts.values()), np.float64)
    blocks = np.maximum(1, np.round(share / share.sum() * total)).astype(int)
    return dict(zip(counts, blocks.tolist(), strict=True))
