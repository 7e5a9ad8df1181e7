"""Files from a remote, tried again where it is slow or away for a while."""

import logging
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError

log = logging.getLogger(__name__)

PART = ".part"
"""How the name of a file ends while it is fetched."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries, at most."""

_clients = threading.local()


def download(remote: str, local: Path, *, retries: int, timeout: float, pause: float = 1.0) -> None:
    """Fetch a file; it appears at ``local`` whole or not at all, also where several processes want it at once.

    Args:
        remote: what Streaming can fetch (``s3://``, ``gs://``, ``hf://``, ...), or a path.
        local: where to; its folder is made, and a file that is there is replaced.
        retries: tries after the first one.
        timeout: seconds that Streaming gives a try, where its kind of remote knows a limit.
        pause: seconds before the second try, doubled before each further one.

    Raises:
        UserError: naming the file, when the last try failed too.
    """
    local.parent.mkdir(parents=True, exist_ok=True)
    temporary = local.with_name(f".{local.name}.{random.getrandbits(48):012x}{PART}")
    for number in range(retries + 1):
        try:
            _client(remote).download(remote, str(temporary), timeout)
            temporary.replace(local)
            return
        except Exception as error:  # whatever a client of a remote raises
            temporary.unlink(missing_ok=True)
            _clients.key = None
            reason = " ".join(str(error).split()) or type(error).__name__
            if number == retries or isinstance(error, ImportError):
                tries = "1 try" if number == 0 else f"{number + 1} tries"
                raise UserError(
                    f"{remote} could not be fetched, after {tries}: {reason}. See that it is there and can be read "
                    f"from this machine; data.download_retries and data.download_timeout give a slow remote more time"
                ) from error
            wait = min(LONGEST_PAUSE, pause * 2**number) * random.uniform(1.0, 1.25)
            log.warning("%s could not be fetched (%s); trying again in %.0f s", remote, reason, wait)
            time.sleep(wait)


def _client(remote: str) -> Any:
    """Streaming's downloader for this kind of remote, one a thread and process: to make one takes a tenth second."""
    # Not at the top: Streaming imports torch, and data that lies in a folder needs neither.
    from streaming.base.storage.download import CloudDownloader

    key = (os.getpid(), remote.partition("://")[0] if "://" in remote else "")
    if getattr(_clients, "key", None) != key:
        _clients.client = CloudDownloader.get(remote)
        _clients.key = key
    return _clients.client
