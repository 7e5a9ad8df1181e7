"""Runs and their checkpoints as tables for people."""

import time
from collections.abc import Sequence

from rich.table import Table

from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.runs.run_row import RunRow


def runs_table(runs: Sequence[RunRow], now: float | None = None) -> Table:
    """A row a run; ``now`` is the time that ages are counted to."""
    now = time.time() if now is None else now
    table = Table(box=None, padding=(0, 2, 0, 0))
    right = ("tokens", "step", "checkpoints", "size")
    for name in ("run", "state", "phase", "tokens", "step", "last step", "checkpoints", "size", "has"):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name in ("run", "state"))
    for run in runs:
        valid = sum(row.invalid is None for row in run.checkpoints)
        count = f"{valid}" if valid == len(run.checkpoints) else f"{valid} of {len(run.checkpoints)}"
        newest = run.newest
        step = run.last.batch if run.last is not None else newest.batch if newest is not None else None
        table.add_row(
            run.name,
            run.state,
            run.phase or "-",
            _tokens(run),
            "-" if step is None else f"{step:,}",
            "-" if run.last is None else f"{_age(now - run.last.when)} ago",
            count,
            _size(sum(row.bytes for row in run.checkpoints)),
            " ".join(run.outputs) or "-",
        )
    return table


def checkpoints_table(run: RunRow) -> Table:
    """A row a checkpoint, the oldest first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    right = ("step", "segment", "tokens", "size")
    for name in ("checkpoint", "step", "segment", "tokens", "phase", "size", "valid"):
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    words = {"size": "yes", "header": "yes (no record)", "hash": "yes, every byte"}
    for row in run.checkpoints:
        phase = row.phase or "-"
        table.add_row(
            row.path.name,
            f"{row.batch:,}",
            f"{row.segment:,}",
            "?" if row.token is None else format_tokens(row.token),
            f"{phase}, its end" if row.is_phase_end else phase,
            _size(row.bytes),
            words[row.checked] if row.invalid is None else f"no: {row.invalid}",
        )
    return table


def _tokens(run: RunRow) -> str:
    if run.token is None:
        return "-" if run.total_tok is None else f"0 of {format_tokens(run.total_tok)}"
    if run.total_tok is None:
        return format_tokens(run.token)
    return f"{format_tokens(run.token)} of {format_tokens(run.total_tok)} ({run.token / run.total_tok:.0%})"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _size(count: int) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"
