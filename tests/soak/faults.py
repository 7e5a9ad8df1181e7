"""What is done to a run: where in it, and what. A row of the soak is one of each."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from tests.soak.watch import Watch


@dataclass(frozen=True)
class Fault:
    """One row: a process of ``ranks`` ranks gets to ``step``, then ``where``, then ``what`` happens to it.

    ``damage``: done to the run's newest checkpoint before the process starts, or "".
    """

    step: int
    ranks: int
    where: str
    what: str
    damage: str = ""


def _in_a_step(watch: Watch, step: int) -> bool:
    begin = time.monotonic()
    reached = watch.until_step(step)
    time.sleep(watch.source.uniform(0, min(0.1, time.monotonic() - begin)))
    return reached


def _starting(watch: Watch, step: int) -> bool:
    """Between its imports and its first step or so: when the folder, the data and the model are got ready."""
    reached = watch.until(lambda: watch.step() > 0 or watch.imported is not None)
    time.sleep(watch.source.uniform(0, 1.5))
    return reached


def _in_a_save(watch: Watch, step: int) -> bool:
    return watch.until_step(step) and watch.catch("checkpoints/*.unfinished")


def _at_a_segments_end(watch: Watch, step: int) -> bool:
    return watch.until_step(watch.segment_end(step))


def _at_a_phases_end(watch: Watch, step: int) -> bool:
    return watch.until_step(watch.phase_end(step))


WHERE: dict[str, Callable[[Watch, int], bool]] = {
    "in a step": _in_a_step,
    "while starting": _starting,
    "in a save": _in_a_save,
    "at a segment's end": _at_a_segments_end,
    "at a phase's end": _at_a_phases_end,
    "in the merge": lambda watch, step: watch.catch(".merged.partial-*"),
    "in the export": lambda watch, step: watch.catch(".hf.partial-*"),
}
"""Each waits until its moment, not before ``step``; False if the run ended first."""


def _kill_a_rank(watch: Watch) -> None:
    ranks = watch.group.ranks()
    os.kill(watch.source.choice(ranks) if ranks else watch.group.launcher.pid, signal.SIGKILL)
    _go_on(ranks)


def _kill_the_launcher(watch: Watch) -> None:
    ranks = watch.group.ranks()
    watch.group.launcher.kill()
    _go_on(ranks)


def _go_on(ranks: list[int]) -> None:
    """Rank 0 may have been stopped to catch it in the middle of something."""
    for pid in ranks[:1]:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def _signal_ranks(number: signal.Signals) -> Callable[[Watch], None]:
    def send(watch: Watch) -> None:
        for pid in watch.group.ranks():
            os.kill(pid, number)

    return send


KILLS: dict[str, Callable[[Watch], None]] = {
    "kill -9 of a rank": _kill_a_rank,
    "kill -9 of the launcher": _kill_the_launcher,
    "kill -9 of all": lambda watch: watch.group.kill_all(),
    "kill -9 of the launcher, started again at once": _kill_the_launcher,
}
"""What no process can see coming."""

SIGNALS: dict[str, Callable[[Watch], None]] = {
    "SIGTERM to the ranks": _signal_ranks(signal.SIGTERM),
    "SIGTERM to the launcher": lambda watch: watch.group.launcher.terminate(),
    "SIGUSR1 to the ranks": _signal_ranks(signal.SIGUSR1),
    "Ctrl-C": lambda watch: os.killpg(watch.group.launcher.pid, signal.SIGINT),
}
"""After these a checkpoint of the very step must be there."""


def _flip(path: Path, source: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(source.randrange(path.stat().st_size // 4, path.stat().st_size * 3 // 4))
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))


def _truncate(path: Path, source: random.Random) -> None:
    os.truncate(path, source.randrange(path.stat().st_size))


DAMAGE: dict[str, Callable[[Path, random.Random], None]] = {
    "a flipped bit": _flip,
    "a truncated file": _truncate,
}
"""Done to the newest checkpoint while nothing runs; the one before it must be taken."""


def damage_newest(folder: Path, how: str, source: random.Random) -> int:
    """Damage the newest checkpoint; its step."""
    newest = named_checkpoints(folder)[-1]
    DAMAGE[how](newest.path, source)
    return newest.batch
