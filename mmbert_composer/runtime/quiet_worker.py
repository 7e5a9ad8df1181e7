"""Workers of a loader are ended by their rank, not by signals sent to all processes of a job.

Fault: a scheduler's SIGTERM and a terminal's Ctrl-C reach the workers too. They die (torch's signal_handling), and
the rank, which is finishing its step, dies of "DataLoader worker exited unexpectedly". A rank killed with -9 leaves
its workers for up to five seconds, with its shared memory. Detected by: a signal to the group of a run with
``data.num_workers``. Mend: a worker ignores these signals, and the system kills it with its rank. Can go: when torch's
workers leave signals to their parent.
"""

import ctypes
import multiprocessing
import os
import signal
import sys

from mmbert_composer.runtime.stop_signals import SIGNALS

_PR_SET_PDEATHSIG = 1


def quiet_worker(worker: int) -> None:
    """A DataLoader's ``worker_init_fn``."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it died before the line above
        os._exit(1)
