"""explain.json as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmbert_composer.merging.explain_merge import EVERYTHING

_SHARES = (
    ("density", "density: kept after trimming"),
    ("conflicts", "sign conflicts: of all parameters"),
    ("agreeing", "agreeing: of the differences kept"),
)


def explain_plot(content: Mapping[str, Any], file: Path) -> None:
    """Write ``file`` (PNG): shares by group where there is a base, and distances by group and model."""
    rows = [row for row in content["groups"] if row["group"] != EVERYTHING]
    names = [Path(name).name for name in content["models"]]
    has_base = content["base"] is not None
    panels = 3 if has_base else 1
    figure = Figure(figsize=(2.5 + 4.2 * panels, 2.2 + 0.42 * len(rows)), layout="constrained")
    axes: Sequence[Axes] = np.atleast_1d(figure.subplots(1, panels, sharey=True))  # pyright: ignore[reportAssignmentType]
    groups = [row["group"] for row in rows]
    if has_base:
        shares = {label: [100 * float(np.mean(row[key])) for row in rows] for key, label in _SHARES}
        _bars(axes[0], groups, shares, "%", "differences from the base")
        _bars(axes[1], groups, _distances(rows, "to_base", names), "% of the base's length", "models to the base")
    _bars(
        axes[-1],
        groups,
        _distances(rows, "to_merge", names),
        f"% of the {'base' if has_base else 'merge'}'s length",
        "models to the merge",
    )
    figure.savefig(file, dpi=120)


def _distances(rows: Sequence[Mapping[str, Any]], key: str, names: Sequence[str]) -> dict[str, list[float]]:
    return {
        f"{number + 1} {name}": [100 * row[key][number] / (row["length"] or 1.0) for row in rows]
        for number, name in enumerate(names)
    }


def _bars(axes: Axes, groups: Sequence[str], series: Mapping[str, Sequence[float]], unit: str, title: str) -> None:
    places, height = np.arange(len(groups)), 0.8 / len(series)
    for number, (label, values) in enumerate(series.items()):
        axes.barh(places + (number + 0.5) * height - 0.4, values, height, label=label)
    axes.set_yticks(places, groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlabel(unit)
    axes.set_title(title)
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.1))
