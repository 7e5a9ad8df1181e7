"""A run as its user starts it, in a process group of its own, so that every part of it can be killed alone."""

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.conftest import ROOT

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
"""Of every process: a model of a few thousand weights has no use for threads."""

STOP_SECONDS = 150
"""The longest that a run may take to end after a signal or the death of a part."""


class ProcessGroup:
    """``composer -n RANKS train.py ...``: the launcher, its ranks and what they start.

    Args:
        command: the command; its output goes to ``log``.
        environment: added to this process's.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        self.begin = time.time()
        """When it was started, in seconds since the epoch."""
        self._is_gone = False
        atexit.register(self.kill_all)
        with log.open("ab") as out:
            self.launcher = subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                cwd=ROOT,
                start_new_session=True,
            )

    def ranks(self) -> list[int]:
        """Process ids of the ranks that are alive, rank 0 first."""
        found: dict[int, int] = {}
        try:
            children = psutil.Process(self.launcher.pid).children()
        except psutil.NoSuchProcess:
            return []
        for child in children:
            try:
                found[int(child.environ()["RANK"])] = child.pid
            except (psutil.Error, KeyError):
                continue
        return [found[rank] for rank in sorted(found)]

    def is_running(self) -> bool:
        return self.launcher.poll() is None

    def members(self) -> list[psutil.Process]:
        """Whatever of the group is alive, orphans too."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == self.launcher.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def kill_all(self) -> None:
        """kill -9 of everything at once; nothing where ``wait`` saw the end: the number may be another's by now."""
        if self._is_gone:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.launcher.pid, signal.SIGKILL)
        self.launcher.wait()

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until nothing of it is left; the launcher's exit code (negative: the signal that killed it).

        Raises:
            TimeoutError: something lives on; it is killed.
        """
        deadline = time.monotonic() + seconds
        while self.is_running() or self.members():
            if time.monotonic() > deadline:
                left = [" ".join(process.cmdline()[-3:]) for process in self.members()]
                self.kill_all()
                raise TimeoutError(f"{seconds:.0f} s later these still ran: {left}")
            time.sleep(0.05)
        self._is_gone = True
        return self.launcher.returncode


def free_port() -> int:
    """A port of this machine that nobody listens on, below those that the system hands out by itself."""
    while True:
        port = random.randrange(20_001, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def composer_command(ranks: int, script: Path, *arguments: str) -> list[str]:
    """``composer -n RANKS SCRIPT ...`` of this environment."""
    return [str(Path(sys.executable).parent / "composer"), "-n", str(ranks), str(script), *arguments]


def launch(
    ranks: int, yaml: Path, folder: Path, log: Path, environment: Mapping[str, str] | None = None
) -> ProcessGroup:
    """Start ``composer -n RANKS train.py YAML save_folder=FOLDER``."""
    command = composer_command(ranks, ROOT / "train.py", str(yaml), f"save_folder={folder}")
    return ProcessGroup(command, log, {**ENVIRONMENT, **(environment or {})})
