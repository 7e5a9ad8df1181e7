"""Files of JSON lines that outlive a process."""

from pathlib import Path
from typing import IO


def append_lines(path: Path) -> IO[str]:
    """Open a file of lines to add to it; a line that a killed process left half written is closed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = False
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-1, 2)
            torn = file.read(1) != b"\n"
    lines = path.open("a", encoding="utf-8")
    if torn:
        lines.write("\n")
    return lines
