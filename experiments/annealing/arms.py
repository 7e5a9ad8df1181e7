"""The arms of the experiment and what each starts from."""

from dataclasses import dataclass

BUDGET = 8_388_608
"""Slots that every model has been trained on, its stem included."""


@dataclass(frozen=True)
class Arm:
    """A model of the experiment.

    ``yaml``: trained by it; None for a merge. ``start``: the arm whose end it goes on from. ``merged``: the arms that a
    merge takes, with ``start`` as its base. ``measured``: the stem is not, its budget is smaller.
    """

    name: str
    what: str
    yaml: str | None = None
    start: str | None = None
    merged: tuple[str, ...] = ()
    measured: bool = True


ARMS = (
    Arm("stem", "12, then 20 languages", yaml="stem.yaml", measured=False),
    Arm("from-start", "all languages from the start", yaml="from-start.yaml"),
    Arm("constant-tau", "annealed languages, tau 0.5 throughout", yaml="constant-tau.yaml"),
    Arm("own", "decay on the stem's 20 languages", yaml="own.yaml", start="stem"),
    Arm("all", "annealed: decay on all languages", yaml="all.yaml", start="stem"),
    Arm("merge", "TIES of the two decays", start="stem", merged=("own", "all")),
)
"""What an arm starts from comes before it; else in an order that keeps two jobs busy."""


def arm(name: str) -> Arm:
    """The arm of a name."""
    return next(row for row in ARMS if row.name == name)
