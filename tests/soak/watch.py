"""Looking at a run from outside until a moment comes: from its files alone, as nothing in it knows of the soak."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mmbert_composer.curriculum import Curriculum
from tests.soak.process_group import ProcessGroup
from tests.soak.soak_run import whole_lines

TICK = 0.005
"""Seconds between two looks."""

SHORT_TICK = 0.0005
"""Where something is to be caught while it is written: a save of the tiny model takes some 20 times as long."""

PATIENCE = 240
"""Seconds until a moment that does not come is an error."""


class Watch:
    """One process group of a run, with the step it has reached.

    Args:
        group: started just now.
        folder: the run's.
        source: of the random part of an instant.
    """

    def __init__(self, group: ProcessGroup, folder: Path, curriculum: Curriculum, source: random.Random) -> None:
        self.group, self.folder, self.source = group, folder, source
        self.metrics = folder / "metrics.jsonl"
        self._read = self.metrics.stat().st_size if self.metrics.exists() else 0
        # Before its own resume line, others are of a process before it that is still dying.
        self._is_ours = self._read == 0
        self._step = 0
        self.first_step: float | None = None
        """Seconds from the start to the first step's end; None before."""
        self.imported: float | None = None
        """Seconds from the start until all ranks had done their imports and rank 0 took the folder's lock."""
        self._steps_end = {
            n: token + blocks * curriculum.block_size for n, (token, blocks) in enumerate(curriculum.steps(), start=1)
        }
        self._segment_tok = curriculum.segment_blocks * curriculum.block_size
        self._phase_ends = {phase.end_tok for phase in curriculum.phases}

    def step(self) -> int:
        """The last step that this process logged; 0 before its first."""
        if self.imported is None and self._holds_the_lock():
            self.imported = time.time() - self.group.begin
        if not self.metrics.exists():
            return 0
        with self.metrics.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                if line.startswith(b'{"event": "resume"'):
                    self._is_ours = True
                elif self._is_ours and line.startswith(b'{"batch": '):
                    self._step = int(line[10 : line.index(b",")])
                    if self.first_step is None:
                        self.first_step = time.time() - self.group.begin
        return self._step

    def _holds_the_lock(self) -> bool:
        try:
            holder = json.loads((self.folder / ".run.lock").read_text())
            return os.getpgid(holder["process"]["pid"]) == self.group.launcher.pid
        except (OSError, ValueError):
            return False

    def until(self, condition: Callable[[], bool], tick: float = TICK) -> bool:
        """Wait for a condition; False if the run ends first.

        Raises:
            TimeoutError: neither comes.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if not self.group.is_running():
                return condition()
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing happened for {PATIENCE} s; see {self.group.log}")
            time.sleep(tick)
        return True

    def until_step(self, step: int) -> bool:
        return self.until(lambda: self.step() >= step)

    def until_first_step(self) -> bool:
        return self.until(lambda: self.step() > 0)

    def segment_end(self, step: int) -> int:
        """The first step, from ``step`` on, that ends a segment but not a phase."""
        return next(
            n
            for n, token in self._steps_end.items()
            if n >= step and token % self._segment_tok == 0 and token not in self._phase_ends
        )

    def phase_end(self, step: int) -> int:
        """The first step, from ``step`` on, that ends a phase."""
        return next(n for n, token in self._steps_end.items() if n >= step and token in self._phase_ends)

    def catch(self, pattern: str) -> bool:
        """Wait until a file of this pattern is being written, and stop rank 0 in the middle of it."""
        while self.until(lambda: self.step() >= 0 and any(self.folder.glob(pattern)), SHORT_TICK):
            ranks = self.group.ranks()
            if not ranks:
                return False
            os.kill(ranks[0], signal.SIGSTOP)
            if any(self.folder.glob(pattern)):
                return True
            os.kill(ranks[0], signal.SIGCONT)  # too late: it is written; wait for the next
        return False


def resumed_from(folder: Path) -> int:
    """The step that the last process went on from."""
    events = [row["batch"] for row in whole_lines(folder / "metrics.jsonl") if row.get("event") == "resume"]
    return events[-1] if events else 0
