"""A benchmark's results: a table for people and one JSON object as the last line."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.measure.time_interleaved import Timing


@dataclass(frozen=True)
class Result:
    """One row. What could not be measured is left out, with its reason among the notes of ``print_report``."""

    name: str
    """As design and docs call it: ``cpu-1024-vs-best``."""
    value: float
    """What the target is set for."""
    unit: str
    """``x`` for ratios; else of ``value``."""
    ours: float | None = None
    """Our side of the ratio, in what ``note`` says; None where nothing is compared."""
    peer: float | None = None
    """The other side."""
    note: str = ""


def ratio_row(name: str, ours: Timing, peer: Timing, note: str, *, scale: float = 1.0) -> Result:
    """``peer`` time / ``our`` time of interleaved rounds, so more is better; both sides are shown times ``scale``."""
    return Result(name, peer.times(ours), "x", ours.median * scale, peer.median * scale, note)


def print_report(
    benchmark: str, machine: Mapping[str, Any], results: Sequence[Result], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Print the machine, the table, the notes and, last, the JSON line; returns what that line says.

    Args:
        benchmark: NAME of ``python -m benchmarks.NAME``.
        machine: of ``describe_machine``.
        results: rows; every number in them finite.
        notes: what was left out and why, and whatever a reader needs beside the table.
    """
    for result in results:
        numbers = [n for n in (result.value, result.ours, result.peer) if n is not None]
        assert all(math.isfinite(number) for number in numbers), result
    console = Console(highlight=False, soft_wrap=True)
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    table = Table("result", title=benchmark)
    for heading in ("value", "ours", "peer"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    for row in results:
        table.add_row(row.name, f"{_short(row.value)} {row.unit}", _short(row.ours), _short(row.peer), escape(row.note))
    Console(highlight=False, width=console.width if console.is_terminal else 160).print(table)
    for note in notes:
        console.print(f"- {note}", markup=False)
    report = {"benchmark": benchmark, "machine": dict(machine), "results": [asdict(result) for result in results]}
    print(json.dumps(report), flush=True)
    return report


def _short(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
