"""A rank that hangs is named, with where it stands, and the run ends instead of waiting.

Fault: when one rank hangs (a disk, a deadlock, a stopped process), Composer 0.32.1 waits in a collective until the
process group's timeout, and torch's error then names neither the rank nor the place; NCCL may wait for ever.
Detected by: ``kill -STOP`` of one rank. Mend: every rank counts its events; one without a new event for eight tenths
of ``dist_timeout`` tells the others through the group's store how far it came and where its main thread stands. The
one that is behind is the one that hangs. Then all exit with code 1. Can go: when torch's watchdog says as much.
"""

import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable

from composer.core import Callback, Event, State
from composer.loggers import Logger
from torch import distributed

log = logging.getLogger(__name__)

FRAMES = 6
"""Innermost frames of a stack that are told."""


class StuckRank(Callback):
    """Watches this rank while it trains; alone, it only says where it hangs. It stands behind the saver."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.watch: ProgressWatch | None = None

    def run_event(self, event: Event, state: State, logger: Logger) -> None:
        super().run_event(event, state, logger)
        if self.watch is not None:
            self.watch.note(f"{event.value} of step {int(state.timestamp.batch) + 1}")

    def fit_start(self, state: State, logger: Logger) -> None:
        together = distributed.is_initialized() and distributed.get_world_size() > 1
        self.watch = ProgressWatch(
            0.8 * self.timeout,
            store=_own_store() if together else None,
            rank=distributed.get_rank() if together else 0,
            ranks=distributed.get_world_size() if together else 1,
        )
        self.watch.start()

    def batch_checkpoint(self, state: State, logger: Logger) -> None:
        assert state.max_duration is not None
        if state.timestamp >= state.max_duration:
            self.close(state, logger)  # merging may take longer, and nobody waits in a collective for it

    def close(self, state: State, logger: Logger) -> None:
        if self.watch is not None:
            self.watch.stop()


def _own_store() -> distributed.Store:
    """Another connection to the group's store: the group's own may be taken by a main thread that hangs in it."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return distributed.TCPStore(address, port, is_master=False, wait_for_workers=False)


class ProgressWatch:
    """A thread that looks once a second whether ``note`` was called since, of the thread that makes it.

    Args:
        limit: seconds without a call after which the rank counts as stuck.
        store: where ranks tell each other; None for a rank alone, which is not ended.
        rank: of this process, of ``ranks``.
        leave: ends the process.
        tick: seconds between looks; they are counted, so that a process that was stopped meanwhile is not late.
    """

    def __init__(
        self,
        limit: float,
        store: distributed.Store | None,
        rank: int,
        ranks: int,
        *,
        leave: Callable[[], None] = lambda: os._exit(1),
        tick: float = 1.0,
    ) -> None:
        self.limit, self.rank, self.ranks, self.tick = limit, rank, ranks, tick
        self._store, self._leave = store, leave
        self._watched = threading.get_ident()
        self._events, self._place, self._ticks = 0, "the start", 0
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="stuck rank watch", daemon=True).start()

    def note(self, place: str) -> None:
        """Progress: the run has come to ``place``."""
        self._events, self._place, self._ticks = self._events + 1, place, 0

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self.tick):
            self._ticks += 1
            if self._ticks * self.tick < self.limit:
                continue
            self._ticks = 0
            if self._store is None:
                log.error("no progress for %.0f s since %s; it stands %s", self.limit, self._place, self._stack())
                continue
            own = f"{socket.gethostname()}, after {self._place}, {self._stack()}"
            patience = max(3 * self.tick, 0.2 * self.limit)  # others stop a little later than the one they wait for
            telling = threading.Thread(target=self._tell, args=(self._store, own, patience), daemon=True)
            telling.start()
            telling.join(1.2 * patience)
            if telling.is_alive():  # no call on a store ends by itself where nobody answers
                log.error("no progress; rank 0 IS STUCK: it keeps the group's store and does not answer. Here: %s", own)
            self._leave()
            return

    def _tell(self, store: distributed.Store, own: str, patience: float) -> None:
        store.set(self._key(self.rank), f"{self._events} {own}")
        missing, waited = set(range(self.ranks)), 0.0
        while missing and waited < patience:
            time.sleep(self.tick)
            waited += self.tick
            missing = {
                rank
                for rank in missing
                if not store.check([self._key(rank)])  # pyright: ignore[reportAttributeAccessIssue]
            }
        told = {
            rank: store.get(self._key(rank)).decode(errors="replace").partition(" ")
            for rank in sorted(set(range(self.ranks)) - missing)
        }
        behind = min(int(events) for events, _, _ in told.values())
        lines = [f"no progress for {self.limit:.0f} s; the run ends"]
        lines += [f"rank {rank} IS STUCK: it says nothing (stopped, gone or blocked)" for rank in sorted(missing)]
        for rank, (events, _, where) in told.items():
            stuck = not missing and int(events) == behind
            lines.append(f"rank {rank} {'IS STUCK' if stuck else 'waits'}: on {where}")
        log.error("%s", "\n  ".join(lines))

    def _stack(self) -> str:
        """``file:line in function`` of the innermost frames of the watched thread, outermost first."""
        frame = sys._current_frames().get(self._watched)
        frames = traceback.extract_stack(frame)[-FRAMES:] if frame is not None else []
        return "at " + " > ".join(f"{entry.filename}:{entry.lineno} in {entry.name}" for entry in frames)

    @staticmethod
    def _key(rank: int) -> str:
        return f"mmbert/stuck/{rank}"
