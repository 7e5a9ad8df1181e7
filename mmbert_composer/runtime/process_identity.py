"""Which process wrote something, and whether it is still there: a pid alone may belong to another by now. Linux."""

import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, in plain values for a file.

    ``machine`` is its boot (a restart of the machine is another one) and its space of pids (a container is another
    one); ``started`` the clock ticks from boot to its start. Both are "" or 0 where the system does not say.
    """

    host: str
    pid: int
    machine: str
    started: int

    @staticmethod
    def own() -> "ProcessIdentity":
        """This process."""
        return ProcessIdentity.of(os.getpid())

    @staticmethod
    def of(pid: int) -> "ProcessIdentity":
        """A running process of this machine."""
        return ProcessIdentity(socket.gethostname(), pid, _machine(), _stat(pid)[1])

    @staticmethod
    def from_json(content: dict[str, Any]) -> "ProcessIdentity":
        """As ``to_json`` gave it; raises KeyError or ValueError for anything else."""
        return ProcessIdentity(
            str(content["host"]), int(content["pid"]), str(content["machine"]), int(content["started"])
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def is_alive(self) -> bool | None:
        """Whether it runs; None where that cannot be known from here: another machine, or another container."""
        machine = _machine()
        if not machine or machine != self.machine:
            return None
        state, started = _stat(self.pid)
        return started == self.started and state not in ("Z", "X", "")


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, int]:
    """State (Z is one that waits to be reaped) and start of a process; ("", 0) where there is none."""
    try:
        # "pid (name) state ...": a name may hold spaces and brackets
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[19])
