"""Reading ``metrics.jsonl``: one line a step, and events; of a step seen twice the last line counts."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError
from mmbert_composer.runs.metrics_lines import parsed_lines

NUMBERS = (
    "batch",
    "token",
    "tokens_real",
    "loss",
    "lr",
    "mask_ratio",
    "max_seq_len",
    "batch_size",
    "tokens_per_second",
    "grad_norm",
    "masked_accuracy",
    "packing/mean_seq_len",
)
"""The plain numbers of a step line; one that a line lacks is NaN. ``token`` is the step's first slot."""


@dataclass(frozen=True)
class HeldOutEval:
    """One measurement of the held-out loss, in nats a masked token.

    ``streams`` maps "source/language" to (loss, masked tokens).
    """

    batch: int
    token: int
    loss: float
    accuracy: float
    streams: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class StreamTokens:
    """What each stream had given by a step: "source/language" to (real tokens, blocks), cumulative."""

    batch: int
    token: int
    streams: dict[str, tuple[float, float]]


@dataclass
class Metrics:
    """A run's numbers, with superseded lines gone.

    ``steps``: column to [steps] values; besides :data:`NUMBERS` there are ``tau/<source>`` and
    ``rope_theta/global`` and ``rope_theta/local``. ``phases``: the phase's name at each step.
    ``resumes``: the batch after which each resumed process went on, in the order of the processes.
    ``unreadable``: lines that are no JSON object (a process killed while it wrote).
    """

    steps: dict[str, NDArray[np.float64]]
    phases: list[str]
    evals: list[HeldOutEval]
    languages: list[StreamTokens]
    resumes: list[int]
    unreadable: int

    def has(self, column: str) -> bool:
        """Whether any step has a finite value in the column."""
        return column in self.steps and bool(np.isfinite(self.steps[column]).any())


@dataclass
class _Columns:
    """The step lines as columns, so that a run of a million steps stays small in memory."""

    values: dict[str, array] = field(default_factory=lambda: {name: array("d") for name in NUMBERS})
    phases: list[str] = field(default_factory=list)

    def cut(self, keep: int) -> None:
        """Keep the first ``keep`` steps."""
        for column in self.values.values():
            del column[keep:]
        del self.phases[keep:]

    def append(self, line: dict[str, Any]) -> None:
        row = {name: _number(line.get(name)) for name in NUMBERS}
        for source, tau in (line.get("tau") or {}).items():
            row[f"tau/{source}"] = _number(tau)
        theta = line.get("rope_theta")
        for kind in ("global", "local"):
            row[f"rope_theta/{kind}"] = _number(theta.get(kind) if isinstance(theta, dict) else theta)
        for name in row.keys() - self.values.keys():
            self.values[name] = array("d", [float("nan")]) * len(self.phases)
        for name, column in self.values.items():
            column.append(row.get(name, float("nan")))
        self.phases.append(str(line.get("phase", "")))


def read_metrics(path: Path) -> Metrics:
    """The metrics of a run, which may still be in progress.

    Raises:
        UserError: no such file.
    """
    columns, resumes, unreadable = _Columns(), [], 0
    evals: list[HeldOutEval] = []
    languages: list[StreamTokens] = []
    for line in _lines(path):
        if line is None:
            unreadable += 1
            continue
        batch = int(line["batch"])
        match line.get("event"):
            case None:
                columns.cut(bisect_left(columns.values["batch"], batch))
                columns.append(line)
            case "resume":
                resumes.append(batch)
                columns.cut(bisect_right(columns.values["batch"], batch))
                _keep_before(evals, batch + 1)
                _keep_before(languages, batch + 1)
            case "eval":
                _keep_before(evals, batch)
                evals.append(_held_out(line))
            case "languages":
                _keep_before(languages, batch)
                languages.append(_tokens(line))
    steps = {name: np.frombuffer(column, np.float64).copy() for name, column in columns.values.items()}
    return Metrics(steps, columns.phases, evals, languages, resumes, unreadable)


def _keep_before(entries: list[HeldOutEval] | list[StreamTokens], batch: int) -> None:
    while entries and entries[-1].batch >= batch:
        entries.pop()


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """The lines of a file, see ``parsed_lines``."""
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(
            f"{path.parent}: there is no readable metrics.jsonl in this folder; "
            "name the save_folder of a run that has taken its first step"
        ) from error
    with file:
        yield from parsed_lines(file)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _held_out(line: dict[str, Any]) -> HeldOutEval:
    streams = {
        name: (_number(entry.get("loss")), _number(entry.get("masked")))
        for name, entry in (line.get("streams") or {}).items()
    }
    return HeldOutEval(
        int(line["batch"]), int(line["token"]), _number(line.get("loss")), _number(line.get("accuracy")), streams
    )


def _tokens(line: dict[str, Any]) -> StreamTokens:
    streams = {
        name: (_number(entry.get("tokens_real")), _number(entry.get("blocks")))
        for name, entry in (line.get("streams") or {}).items()
    }
    return StreamTokens(int(line["batch"]), int(line["token"]), streams)
