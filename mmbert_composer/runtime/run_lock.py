"""One run in a save folder at a time.

Fault: Composer 0.32.1 lets two runs write into one folder; each prunes and overwrites the other's checkpoints.
Detected by: starting a run twice. Mend: rank 0 holds ``.run.lock`` in the folder, by a lock of the system and by what
it writes into it: which process, since when, and a sign of life every ten seconds. A lock of a dead process stands in
nobody's way: on the same machine that is seen at once, from another one (or another container) its signs of life are
waited for. Where a file system keeps no locks between machines, the signs alone count: two starts within the same
seconds on two machines are then not told apart. Can go: never by an upstream release.
"""

import errno
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mmbert_composer.errors import UserError
from mmbert_composer.runtime.process_identity import ProcessIdentity

log = logging.getLogger(__name__)

NAME = ".run.lock"
BEAT = 10.0
"""Seconds between signs of life."""
PATIENCE = 45.0
"""Seconds without one after which a process elsewhere counts as dead."""
STOPPING_PATIENCE = 120.0
"""Seconds that a run which was asked to stop has to finish its step and its checkpoint."""
_LENGTH = 1024
_held: set[Path] = set()


@dataclass(frozen=True)
class Holder:
    """What a lock file says. ``beat`` counts the signs of life; ``stopping``: it was asked to stop."""

    process: ProcessIdentity
    since: str
    beat: int
    stopping: bool

    def describe(self) -> str:
        return f"process {self.process.pid} on {self.process.host} since {self.since}"


class RunLock:
    """The lock of ``folder``; ``is_stopping`` tells the next run that it need only wait.

    ``acquire`` raises UserError where another run holds it. ``release`` removes it, and the folder where it was made
    for the lock alone.
    """

    def __init__(
        self,
        folder: Path,
        is_stopping: Callable[[], bool] = lambda: False,
        *,
        beat: float = BEAT,
        patience: float = PATIENCE,
        stopping_patience: float = STOPPING_PATIENCE,
    ) -> None:
        self.folder = folder
        self._path = folder.resolve() / NAME
        self._is_stopping = is_stopping
        self._beat_every, self._patience, self._stopping_patience = beat, patience, stopping_patience
        self._made_folder = False
        self._file = -1
        self._beats = 0
        self._since = ""
        self._released = threading.Event()
        self._beating = threading.Thread(target=self._keep_alive, name="run lock", daemon=True)

    def acquire(self) -> None:
        """Take the lock, waiting for a run that is stopping or whose life is in doubt."""
        if self._path in _held:
            raise self._refusal("this process")
        self._made_folder = not self.folder.exists()
        began, first = time.monotonic(), None
        while True:
            free, holder = self._try()
            alive = None if holder is None else holder.process.is_alive()
            if free and (holder is None or alive is False):
                break
            in_doubt = free and alive is None
            stirs = first is not None and holder is not None and holder.beat != first.beat
            if holder is None or not (holder.stopping or in_doubt) or (in_doubt and stirs):
                self._give_up(holder)
            if first is None:
                first = holder
                what = "for a sign of life" if in_doubt else "for it to stop"
                log.info("%s: in use by %s; waiting %s", self.folder, holder.describe(), what)
            waited = time.monotonic() - began
            if in_doubt and waited > self._patience:
                log.warning("%s: no sign of life from %s, it is taken over", self.folder, holder.describe())
                break
            if not in_doubt and waited > self._stopping_patience:
                self._give_up(holder)
            os.close(self._file)
            time.sleep(min(1.0, self._beat_every))
        self._since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._write()
        _held.add(self._path)
        self._beating.start()

    def release(self) -> None:
        """Give the lock back; does nothing where it is not held."""
        if self._path not in _held or self._file < 0:
            return
        self._released.set()
        self._beating.join()
        self._path.unlink(
            missing_ok=True
        )  # before it is unlocked: whoever opened it looks whether it still has the name
        os.close(self._file)
        self._file = -1
        _held.discard(self._path)
        if self._made_folder:
            with suppress(OSError):  # a run is in it by now
                self.folder.rmdir()

    def _try(self) -> tuple[bool, Holder | None]:
        """Whether the system gives us the lock, and who holds or held it."""
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise UserError(f"save_folder {self.folder} cannot be written to: {error.strerror}") from error
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except OSError as error:
                # a file system without locks lets the content decide
                free = error.errno not in (errno.EACCES, errno.EAGAIN)
            with suppress(FileNotFoundError):
                if self._path.stat().st_ino == os.fstat(self._file).st_ino:
                    return free, _read(self._file)
            os.close(self._file)  # it was released between the two calls

    def _give_up(self, holder: Holder | None) -> NoReturn:
        os.close(self._file)
        self._file = -1
        raise self._refusal("another process" if holder is None else holder.describe())

    def _refusal(self, who: str) -> UserError:
        return UserError(
            f"save_folder {self.folder} is in use by {who}; two runs would overwrite each other's checkpoints. Stop "
            f"that one (it saves and exits on SIGTERM), wait for it, or name another save_folder"
        )

    def _write(self) -> None:
        content = {
            "process": ProcessIdentity.own().to_json(),
            "since": self._since,
            "beat": self._beats,
            "stopping": self._is_stopping(),
        }
        os.pwrite(self._file, json.dumps(content).ljust(_LENGTH).encode(), 0)
        os.fsync(self._file)

    def _keep_alive(self) -> None:
        stopping, last = False, time.monotonic()
        while not self._released.wait(min(1.0, self._beat_every)):
            now, before, stopping = time.monotonic(), stopping, self._is_stopping()
            if now - last < self._beat_every and stopping == before:
                continue
            self._beats, last = self._beats + 1, now
            with suppress(OSError):  # a full disk or a lost server: the next one may get through
                self._write()


def holder_of(folder: Path, patience: float = PATIENCE) -> Holder | None:
    """Who runs in ``folder``, looked at from outside without touching the lock; None where nobody does."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        holder, beaten = _read(file), os.fstat(file).st_mtime
    finally:
        os.close(file)
    alive = None if holder is None else holder.process.is_alive()
    if alive is None:  # on another machine, or in another container: its signs of life tell
        alive = time.time() - beaten < patience
    return holder if alive else None


def _read(file: int) -> Holder | None:
    """The holder that a lock file names; None for a new or an unreadable one."""
    try:
        content = json.loads(os.pread(file, _LENGTH, 0))
        process = ProcessIdentity.from_json(content["process"])
        return Holder(process, str(content["since"]), int(content["beat"]), bool(content["stopping"]))
    except (ValueError, KeyError, TypeError):
        return None
