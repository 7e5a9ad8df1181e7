"""One score of one model on one task: measured here, or published."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreRow:
    """A cell of a comparison, with what decides whether it can stand beside another."""

    model: str
    suite: str
    task: str
    metric: str
    score: float
    """0 to 100; a loss as it is."""
    protocol: str
    """How the model was tuned: ``default``, ``swept``, ..."""
    spread: float | None = None
    languages: int | None = None
    """How many were scored; None: not known."""
    note: str | None = None
    published: bool = False
    source: str = ""
    """Of a published score: where it stands."""
