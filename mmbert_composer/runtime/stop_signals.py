"""Signals that ask a run to stop, and the exit codes that say it can go on.

Fault: Composer 0.32.1 leaves by ``sys.exit`` wherever a rank stands when SIGTERM or SIGINT comes (core/engine.py,
``sigterm_handler``), so that every step since the last checkpoint is lost, and SIGUSR1, which Slurm sends as a
warning, kills. Detected by: ``kill -TERM`` of a training run. Mend: while a run trains, a signal is noted, and
:mod:`mmbert_composer.runtime.stop_at_step` ends the run at a step's edge; at any other time there is nothing to lose,
and the process leaves at once. A second Ctrl-C always does. Can go: when Composer saves on signals (composer#2461).
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from types import FrameType
from typing import Any

TRY_AGAIN = 75
"""Exit code after SIGTERM and SIGUSR1 (EX_TEMPFAIL of sysexits.h): start the same command again."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StoppedError(SystemExit):
    """The run was asked to stop and has."""

    def __init__(self, number: int) -> None:
        self.exit_code = INTERRUPTED if number == signal.SIGINT else TRY_AGAIN
        super().__init__(self.exit_code)
        self.signal = signal.Signals(number).name


class StopSignals:
    """Takes the signals of this process while it is entered (``with StopSignals() as signals``).

    ``deferred``: note a signal in ``received`` (its number, 0 for none) rather than leave at once.
    """

    def __init__(self) -> None:
        self.received = 0
        self.deferred = False
        self._leaving = False
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._leaving = True
        if kind is StoppedError:
            return  # the process is leaving: further signals are for nobody
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def install(self) -> None:
        """Take the signals, again if need be: importing Composer takes two of them, and so do some loggers."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python gives signals to the main thread alone; whoever runs a training elsewhere stops it there
        for number in SIGNALS:
            if number == self.received == signal.SIGINT:
                continue  # the next one stops at once
            before = signal.signal(number, self._take)
            self._before.setdefault(number, before or signal.SIG_DFL)

    def end_deferral(self) -> None:
        """From now on leave at once, and now if a signal was noted."""
        self.deferred = False
        if self.received:
            raise StoppedError(self.received)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process or self._leaving:
            return  # a forked worker, which its rank ends; or the launcher's SIGTERM to a rank that is leaving
        self.received = self.received or number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        name = signal.Signals(number).name
        if not self.deferred:
            _say(f"{name}: stopping\n")
            raise StoppedError(number)
        more = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
        _say(f"{name}: finishing the step, then a checkpoint, then stopping{more}\n")


def leave_undisturbed() -> None:
    """Call last in a process that exits: a late SIGTERM of the launcher must not change its exit code.

    Workers that still read are killed: they ignore SIGTERM, see :mod:`mmbert_composer.runtime.quiet_worker`.
    """
    for number in SIGNALS:
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(number, signal.SIG_IGN)
    for child in multiprocessing.active_children():
        child.kill()


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, text.encode())  # not by print or a logger: what the signal interrupted may hold their locks
