"""Ranks end with their launcher.

Fault: ``kill -9`` of Composer's launcher (or SIGUSR1, whose default kills it) leaves its ranks training, beside the
restart. Detected by: killing the launcher of a run. Mend: a thread of each rank looks at its parent every second; once
that is gone the rank is asked to stop as by SIGTERM: step, checkpoint, exit. Ranks that cannot (they wait for one that
is dead) are ended after :data:`GRACE`, the time that the launcher itself gives. Can go: when the launcher's children
die with it.

A thread rather than the system's PR_SET_PDEATHSIG: it also ends a rank whose main thread hangs in a collective, where
Python's signal handlers do not run.
"""

import os
import signal
import sys
import threading
import time

from mmbert_composer.runtime.stop_signals import TRY_AGAIN

GRACE = 30.0
"""Seconds between the launcher's death and the end of its ranks."""


def end_with_launcher(*, every: float = 1.0, grace: float = GRACE) -> threading.Thread | None:
    """Start to watch, in a rank that a launcher has started; None elsewhere: a shell may leave before its run."""
    if "RANK" not in os.environ:
        return None
    watch = threading.Thread(target=_watch, args=(os.getppid(), every, grace), name="launcher watch", daemon=True)
    watch.start()
    return watch


def _watch(launcher: int, every: float, grace: float) -> None:
    while os.getppid() == launcher:
        time.sleep(every)
    print(f"rank {os.environ['RANK']}: its launcher (pid {launcher}) is gone", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    print(f"rank {os.environ['RANK']}: not stopped within {grace:.0f} s: ended", file=sys.stderr, flush=True)
    os._exit(TRY_AGAIN)
