"""The progress bar of ``prepare``: bytes read, then bytes packed with tokens a second; and the time left."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class PrepareProgress:
    """A bar on the terminal, or nothing at all when not ``shown``. Used as a context."""

    def __init__(self, shown: bool) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        # Rich ends a bar with an empty line wherever it cannot redraw: in a log file it had better not begin.
        self._shown = shown and Console().is_terminal
        self._bar = Progress(*columns, disable=not self._shown, transient=True)
        self._task: TaskID | None = None
        self._tokens = 0
        self._start = 0.0

    def __enter__(self) -> "PrepareProgress":
        if self._shown:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bar.stop()

    def start(self, description: str, total_bytes: int) -> None:
        """Another stage begins: "reading 3 files"."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(description, total=total_bytes, rate="")
        self._tokens, self._start = 0, time.monotonic()

    def advance(self, num_bytes: int, num_tokens: int) -> None:
        """So much more is done."""
        assert self._task is not None
        self._tokens += num_tokens
        rate = self._tokens / max(1e-9, time.monotonic() - self._start)
        self._bar.update(self._task, advance=num_bytes, rate=f"{rate / 1e6:.2f}M tok/s" if self._tokens else "")
