"""The published scores of ``published.csv``: a row a score, each with its source. Nothing in it is from memory."""

import csv
from functools import cache
from importlib.resources import files

from mmbert_composer.evaluation.score_row import ScoreRow

FILE = "published.csv"

PAPER_AVERAGE = "paper_average"
"""The task under which a table's own average is kept, as it was printed."""


@cache
def published_scores() -> tuple[ScoreRow, ...]:
    """All published scores, in the order of their tables."""
    text = (files("mmbert_composer.evaluation") / FILE).read_text(encoding="utf-8")
    return tuple(
        ScoreRow(
            model=row["model"],
            suite=row["suite"],
            task=row["task"],
            metric=row["metric"],
            score=float(row["score"]),
            protocol=row["protocol"],
            languages=int(row["languages"]) if row["languages"] else None,
            note=row["note"] or None,
            published=True,
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )
