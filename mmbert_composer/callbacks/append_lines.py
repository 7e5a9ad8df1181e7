"""Files of JSON lines that outlive a process."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class AppendedLines:
    """A file that lines are added to; a line that a killed process left half written is closed first.

    A disk that takes no more stops nobody: the lines wait in memory and are written with the first that gets through.
    ``continues``: whether there were lines in it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        size = os.fstat(self._file).st_size
        self.continues = size > 0
        torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self._waiting = b"\n" if torn else b""
        self._told = False

    def write(self, row: Mapping[str, Any]) -> None:
        """Add ``row`` as one line."""
        self._waiting += json.dumps(row).encode() + b"\n"
        self._flush()

    def close(self) -> None:
        """Close the file; what the disk did not take is lost, and said."""
        if self._file < 0:
            return
        self._flush()
        if self._waiting:
            log.error("%s: its last %d lines are lost", self.path, self._waiting.count(b"\n"))
        os.close(self._file)
        self._file = -1

    def _flush(self) -> None:
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._file, self._waiting) :]
            self._told = False
        except OSError as error:
            if not self._told:
                log.error("%s: %s; its lines wait in memory", self.path, error.strerror)
            self._told = True
