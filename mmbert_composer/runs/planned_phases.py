"""The phases of a run and where they end, from its ``plan.json`` alone."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mmbert_composer.curriculum.segment_plan import read_plan_json
from mmbert_composer.errors import UserError


@dataclass(frozen=True)
class PlannedPhases:
    """``ends``: name of each phase, in order, to the clock at its end (slots)."""

    block_size: int
    ends: tuple[tuple[str, int], ...]

    @property
    def total_tok(self) -> int:
        return self.ends[-1][1]

    def phase_before(self, token: int) -> str:
        """The phase of the step before clock ``token``."""
        return next((name for name, end in self.ends if token <= end), self.ends[-1][0])

    def is_end(self, token: int) -> bool:
        """Whether a phase ends at clock ``token``."""
        return any(token == end for _, end in self.ends)


def planned_phases(plan_json: Path) -> PlannedPhases:
    """Read them.

    Raises:
        UserError: a plan that cannot be read, or is empty.
    """
    plan = read_plan_json(plan_json)
    try:
        slots = plan["segment_blocks"] * plan["block_size"]
        ends, segments = [], 0
        for name, rows in groupby(plan["segments"], key=lambda segment: segment["phase"]):
            segments += sum(1 for _ in rows)
            ends.append((str(name), segments * slots))
    except (KeyError, TypeError) as error:
        raise UserError(f"{plan_json}: not a readable plan ({error!r})") from error
    if not ends:
        raise UserError(f"{plan_json}: a plan without segments")
    return PlannedPhases(plan["block_size"], tuple(ends))
