"""The last step of a run, from the end of its ``metrics.jsonl``: a file of gigabytes costs as much as a short one."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.runs.metrics_lines import parsed_lines

FIRST_READ = 1 << 16
"""Bytes read from the end at first, four times as many while they hold no step: an evaluation's line can be long."""


@dataclass(frozen=True)
class LastStep:
    """``batch`` its number, ``token`` the clock after it (slots), ``when`` it was written (seconds since 1970)."""

    batch: int
    token: int
    phase: str
    loss: float | None
    when: float


def last_step(metrics: Path, block_size: int, first_read: int = FIRST_READ) -> LastStep | None:
    """The step that was written last, or None where no step was; a line cut off at the end is passed over."""
    try:
        with metrics.open("rb") as file:
            found = os.fstat(file.fileno())
            size = first_read
            while True:
                start = max(0, found.st_size - size)
                file.seek(start)
                text = file.read(found.st_size - start).decode("utf-8", errors="replace")
                lines = text.split("\n") if start == 0 else text.split("\n")[1:]  # the first may be a part
                step = _last(lines)
                if step is not None or start == 0:
                    break
                size *= 4
    except OSError:
        return None
    if step is None:
        return None
    slots = int(step.get("batch_size") or 0) * block_size
    loss = step.get("loss")
    return LastStep(
        batch=step["batch"],
        token=int(step.get("token") or 0) + slots,
        phase=str(step.get("phase") or ""),
        loss=float(loss) if isinstance(loss, int | float) else None,
        when=found.st_mtime,
    )


def _last(lines: list[str]) -> dict[str, Any] | None:
    for line in reversed(lines):
        for parsed in parsed_lines([line]):
            if parsed is not None and "event" not in parsed:
                return parsed
    return None
