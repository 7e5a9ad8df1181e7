"""A run that was killed against one that was not."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.soak.soak_run import losses_of, samples_of


@dataclass(frozen=True)
class Comparison:
    """Counts over all steps of the uninterrupted run."""

    name: str
    steps: int
    wrong_samples: int
    """Steps that are missing or whose blocks (stream, index, visit) differ."""
    different_losses: int
    """Steps whose loss is not the same to the last bit."""
    largest_difference: float
    """Of the losses of a step."""
    allowed: float
    """How much they may differ."""

    @property
    def is_good(self) -> bool:
        return self.steps > 0 and self.wrong_samples == 0 and self.largest_difference <= self.allowed

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"good": self.is_good}


def compare(name: str, reference: Path, other: Path, *, allowed: float) -> Comparison:
    """Samples and losses of every step; ``allowed`` 0 asks for losses equal to the last bit."""
    expected, found = samples_of(reference), samples_of(other)
    theirs, ours = losses_of(reference), losses_of(other)
    steps = sorted(expected.keys() | found.keys() | theirs.keys() | ours.keys())
    differences = [abs(theirs.get(step, 0.0) - ours.get(step, float("inf"))) for step in steps]
    return Comparison(
        name,
        steps=len(steps),
        wrong_samples=sum(expected.get(step) != found.get(step) for step in steps),
        different_losses=sum(difference > 0 for difference in differences),
        largest_difference=max(differences, default=0.0),
        allowed=allowed,
    )
