"""What was done to the runs and what came back: lines, tables and one JSON object."""

import json
import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.soak.compare import Comparison
from tests.soak.faults import KILLS, SIGNALS
from tests.soak.schedule import FULL_DISK
from tests.soak.victim import Row

Named = tuple[str, Row]
"""A victim's name and a row of it."""


def describe(number: int, name: str, row: Row) -> str:
    """One line about a row."""
    fault = row.fault
    damage = f" (after {fault.damage})" if fault.damage else ""
    first = ""
    if row.first_step is not None and row.imported is not None:
        first = f", imports {row.imported:.1f} s, first step {row.first_step - row.imported:.1f} s later"
    trouble = f"  <-- {row.trouble}" if row.trouble else ""
    return (
        f"{number:2} {name}, {fault.ranks} ranks: {fault.what} {fault.where}{damage}: from step {row.resumed} to "
        f"{row.step}, exit code {row.code}{first}, {row.seconds:.0f} s{trouble}"
    )


def print_report(
    rows: Sequence[Named],
    comparisons: Sequence[Comparison],
    left: set[str],
    seconds: float,
) -> bool:
    """Print everything; whether all is as it should be."""
    console = Console(highlight=False, width=140)
    console.print(_faults(rows))
    console.print(_comparisons(comparisons))
    imports, beyond = _seconds(rows)
    for ranks, extra in beyond.items():
        console.print(
            f"restart on {ranks} ranks (medians): {imports[ranks]:.1f} s of imports, then {extra:.1f} s until "
            f"the first step is done, building the model included"
        )
    console.print(f"shared memory left behind: {sorted(left) or 'nothing'}")
    trouble = [row.trouble for _, row in rows if row.trouble]
    good = not trouble and not left and all(comparison.is_good for comparison in comparisons)
    summary = {
        "soak": "good" if good else "bad",
        "kills": sum(row.fault.what in KILLS or row.fault.what == FULL_DISK for _, row in rows),
        "signals": sum(row.fault.what in SIGNALS for _, row in rows),
        "damaged_checkpoints": sum(bool(row.fault.damage) for _, row in rows),
        "starts": len(rows),
        "trouble": trouble,
        "comparisons": [comparison.to_json() for comparison in comparisons],
        "import_seconds": {str(ranks): round(value, 2) for ranks, value in imports.items()},
        "imports_to_first_step_seconds": {str(ranks): round(value, 2) for ranks, value in beyond.items()},
        "shared_memory_left": sorted(left),
        "seconds": round(seconds),
    }
    print(json.dumps(summary), flush=True)
    return good


def _seconds(rows: Sequence[Named]) -> tuple[dict[int, float], dict[int, float]]:
    """By number of ranks, medians over the restarts: imports, and from there to the first step's end."""
    imports: dict[int, list[float]] = {}
    beyond: dict[int, list[float]] = {}
    for _, row in rows:
        if row.first_step is not None and row.imported is not None:
            imports.setdefault(row.fault.ranks, []).append(row.imported)
            beyond.setdefault(row.fault.ranks, []).append(row.first_step - row.imported)
    return _medians(imports), _medians(beyond)


def _medians(found: dict[int, list[float]]) -> dict[int, float]:
    return {ranks: statistics.median(found[ranks]) for ranks in sorted(found)}


def _faults(rows: Sequence[Named]) -> Table:
    table = Table("#", "run", title="what was done, and what came back")
    for heading in ("ranks", "from step", "to step"):
        table.add_column(heading, justify="right")
    for heading in ("where", "what"):
        table.add_column(heading)
    table.add_column("exit code", justify="right")
    table.add_column("imports s", justify="right")
    table.add_column("first step s later", justify="right")
    table.add_column("as it should be")
    for number, (name, row) in enumerate(rows, start=1):
        fault = row.fault
        table.add_row(
            str(number),
            name,
            str(fault.ranks),
            f"{row.resumed}{'*' if fault.damage else ''}",
            str(row.step),
            fault.where,
            fault.what,
            str(row.code),
            "" if row.imported is None else f"{row.imported:.1f}",
            "" if row.imported is None or row.first_step is None else f"{row.first_step - row.imported:.1f}",
            row.trouble or "yes",
        )
    table.caption = "* the newest checkpoint was damaged before"
    return table


def _comparisons(comparisons: Sequence[Comparison]) -> Table:
    table = Table("against the uninterrupted run", title="steps")
    for heading in ("steps", "other samples", "losses not bit-equal", "largest difference", "allowed"):
        table.add_column(heading, justify="right")
    for row in comparisons:
        numbers = (row.steps, row.wrong_samples, row.different_losses)
        table.add_row(row.name, *map(str, numbers), f"{row.largest_difference:.2g}", f"{row.allowed:g}")
    return table
