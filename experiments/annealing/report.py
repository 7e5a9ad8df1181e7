"""Table and plot of what has been measured: by arm and group of languages, the mean over seeds and its spread.

    python -m experiments.annealing.report --plot docs/annealing.png

A group's figure is the mean over its languages, then over seeds; the spread is the standard deviation over seeds
(n - 1). A language that an arm has no figure for is left out of all arms.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.annealing.arms import ARMS
from experiments.annealing.groups import GROUPS, group_of
from experiments.annealing.measure import VERSES
from experiments.annealing.run import RESULTS, read_results

MEASURES = {
    "loss": "held-out loss, nats a masked token",
    "retrieval": "verse retrieval, %",
    "retrieval_centred": "verse retrieval without the languages' means, %",
}
Cells = dict[tuple[str, str], NDArray[np.float64]]
"""(arm, group) to a figure for each seed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="experiments.annealing.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--plot", type=Path, help="write a PNG")
    arguments = parser.parse_args(argv)
    results = read_results(arguments.results)
    if not results:
        print(f"error: no results in {arguments.results}; python -m experiments.annealing.run makes them")
        return 1
    for measure, title in MEASURES.items():
        print(f"\n**{title}**\n\n{markdown_table(by_group(results, measure), percent=measure != 'loss')}")
    if arguments.plot is not None:
        plot(results).savefig(arguments.plot, dpi=130)
    return 0


def by_group(results: Sequence[Mapping[str, Any]], measure: str) -> Cells:
    """Mean over the languages of each group that every result has, by arm, a number for each seed in order."""
    common = set.intersection(*(set(result[measure]) for result in results))
    with_bible = {language for result in results for language in result["retrieval"]} | _SHORT_TESTAMENTS
    groups = {language: group_of(language, with_bible) for language in common}
    cells: Cells = {}
    for arm in ARMS:
        rows = sorted((r for r in results if r["arm"] == arm.name), key=lambda row: row["seed"])
        for group in GROUPS:
            languages = sorted(name for name, belongs in groups.items() if belongs == group)
            if rows and languages:
                cells[arm.name, group] = np.array([np.mean([row[measure][name] for name in languages]) for row in rows])
    return cells


_SHORT_TESTAMENTS = {"gla", "ttq", "pot"}
"""Languages with a part of the New Testament that is too small for retrieval."""


def markdown_table(cells: Cells, *, percent: bool) -> str:
    """A row an arm, a column a group: mean ± spread over seeds."""
    groups = [group for group in GROUPS if any(key[1] == group for key in cells)]
    lines = ["| arm | seeds | " + " | ".join(groups) + " |", "| --- " * (len(groups) + 2) + "|"]
    for arm in ARMS:
        values = [cells[arm.name, group] for group in groups if (arm.name, group) in cells]
        if values:
            shown = " | ".join(_cell(value * 100 if percent else value, 1 if percent else 3) for value in values)
            lines.append(f"| {arm.what} | {len(values[0])} | {shown} |")
    return "\n".join(lines)


def _cell(values: NDArray[np.float64], digits: int) -> str:
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def plot(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Bars by group of languages, a colour an arm, whiskers of one spread over seeds."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    measures = ("loss", "retrieval_centred")
    for axes, measure in zip(figure.subplots(1, len(measures)), measures, strict=True):
        cells = by_group(results, measure)
        groups = [group for group in GROUPS if any(key[1] == group for key in cells)]
        arms = [arm for arm in ARMS if any(key[0] == arm.name for key in cells)]
        scale = 1.0 if measure == "loss" else 100.0
        width = 0.8 / len(arms)
        for number, arm in enumerate(arms):
            values = [cells[arm.name, group] * scale for group in groups]
            places = np.arange(len(groups)) + (number - (len(arms) - 1) / 2) * width
            spread = [value.std(ddof=1) if len(value) > 1 else 0.0 for value in values]
            axes.bar(places, [value.mean() for value in values], width, yerr=spread, capsize=2, label=arm.what)
        axes.set_xticks(range(len(groups)), groups)
        axes.set_title(MEASURES[measure], fontsize=10)
        if measure != "loss":
            axes.axhline(100 / VERSES, color="0.4", linestyle="--", linewidth=1)
            axes.annotate("chance", (1, 100 / VERSES), (-3, 3), ("axes fraction", "data"), "offset points", ha="right")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


if __name__ == "__main__":
    sys.exit(main())
