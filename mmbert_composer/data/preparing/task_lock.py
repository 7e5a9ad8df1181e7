"""One process a task: a lock that ends with the process that holds it, however that ends."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmbert_composer.errors import UserError

TRIES, WAIT = 4, 0.2
"""Times to try, and seconds between them."""


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold ``path`` for this process. Raises UserError, "another process is ``what``", when another one has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            _lock(file)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"another process is {what} ({file.read().strip() or 'unknown'}): wait for it or stop it"
            ) from None
        except OSError:
            # A file system without locks: results are published by a rename, so two would only waste time.
            yield
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    for attempt in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            # Whoever asks `is_locked` holds it for a moment, a process that was killed a little longer.
            if attempt == TRIES - 1:
                raise
            time.sleep(WAIT)


def is_locked(path: Path) -> bool:
    """Whether a process holds ``path`` now."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
