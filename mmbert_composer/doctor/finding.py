"""What a check says."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    ``status``: ok; note, which a person should know and training can live with; problem, which stops a run or loses
    something. ``mend`` says what to do about a note or a problem; "" where there is nothing to do.
    """

    check: str
    status: Status
    what: str
    mend: str = ""

    def __post_init__(self) -> None:
        assert self.status != "problem" or self.mend, f"{self.what}: a problem says what to do"


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", what)


def note(check: str, what: str, mend: str = "") -> Finding:
    """Worth knowing."""
    return Finding(check, "note", what, mend)


def problem(check: str, what: str, mend: str) -> Finding:
    """In the way."""
    return Finding(check, "problem", what, mend)
