"""Scores of several models as tables: what is missing stays missing, what was measured otherwise is marked. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mmbert_composer.evaluation.published import PAPER_AVERAGE
from mmbert_composer.evaluation.score_row import ScoreRow

LOSSES = frozenset({"nats_per_masked_token"})
"""Metrics that no average is made of, and of which less is better."""


@dataclass(frozen=True)
class Cell:
    """A score in a table; ``marks``: numbers of the table's footnotes."""

    score: float
    spread: float | None = None
    marks: tuple[int, ...] = ()


@dataclass(frozen=True)
class ModelLine:
    """A model under one protocol; ``cells`` [tasks], None where there is no score."""

    model: str
    protocol: str
    published: bool
    cells: tuple[Cell | None, ...]
    average: float | None
    """Mean of the cells, where all are there and none is a loss."""


@dataclass(frozen=True)
class ComparisonTable:
    """A suite: a line a model, a column a task."""

    suite: str
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    """Of each column: that of its first score."""
    lines: tuple[ModelLine, ...]
    footnotes: tuple[str, ...] = ()
    """Number 1 first."""
    sources: tuple[str, ...] = ()
    best: tuple[float | None, ...] = field(default=())
    """The best score of each column."""


def compare_scores(scores: Iterable[ScoreRow]) -> list[ComparisonTable]:
    """A table for each suite, in the order in which suites, models and tasks come first.

    A score is marked where it has a note, and where metric, protocol or number of languages are not those of its
    column's first score: they cannot be compared as they stand.
    """
    suites: dict[str, list[ScoreRow]] = {}
    for row in scores:
        suites.setdefault(row.suite, []).append(row)
    return [_table(suite, rows) for suite, rows in suites.items()]


def _table(suite: str, rows: Sequence[ScoreRow]) -> ComparisonTable:
    tasks = sorted(dict.fromkeys(row.task for row in rows), key=lambda task: task == PAPER_AVERAGE)
    first = {task: next(row for row in rows if row.task == task) for task in tasks}
    by_line: dict[tuple[str, str, bool], dict[str, ScoreRow]] = {}
    for row in rows:
        by_line.setdefault((row.model, row.protocol, row.published), {})[row.task] = row
    notes: dict[str, int] = {}
    lines = []
    for (model, protocol, published), found in by_line.items():
        cells = tuple(_cell(found[task], first[task], notes) if task in found else None for task in tasks)
        lines.append(ModelLine(model, protocol, published, cells, _average(tasks, found)))
    return ComparisonTable(
        suite,
        tuple(tasks),
        tuple(first[task].metric for task in tasks),
        tuple(lines),
        tuple(notes),
        tuple(dict.fromkeys(row.source for row in rows if row.source)),
        tuple(_best(task, first[task], by_line) for task in tasks),
    )


def _cell(row: ScoreRow, first: ScoreRow, notes: dict[str, int]) -> Cell:
    texts = [row.note] if row.note else []
    if row.metric != first.metric:
        texts.append(f"{row.metric}, where the first of the column is {first.metric}")
    if row.protocol != first.protocol:
        texts.append(f"protocol {row.protocol}, where the first of the column is {first.protocol}")
    if None not in (row.languages, first.languages) and row.languages != first.languages:
        texts.append(f"{row.languages} languages, where the first of the column has {first.languages}")
    return Cell(row.score, row.spread, tuple(notes.setdefault(text, len(notes) + 1) for text in texts))


def _average(tasks: Sequence[str], found: Mapping[str, ScoreRow]) -> float | None:
    own = [task for task in tasks if task != PAPER_AVERAGE]
    if len(own) < 2 or any(task not in found or found[task].metric in LOSSES for task in own):
        return None
    return sum(found[task].score for task in own) / len(own)


def _best(task: str, first: ScoreRow, lines: Mapping[tuple[str, str, bool], Mapping[str, ScoreRow]]) -> float | None:
    same = [found[task].score for found in lines.values() if task in found and found[task].metric == first.metric]
    if first.metric in LOSSES or len(same) < 2:  # of losses of several tokenizers none is the best
        return None
    return max(same)
