"""The progress bar of ``prepare``: documents while reading, bytes of text while encoding."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn


class PrepareProgress:
    """A bar on the terminal, or nothing at all when not ``shown``. Used as a context."""

    def __init__(self, shown: bool) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
        )
        # Rich ends a bar with an empty line wherever it cannot redraw: in a log file it had better not begin.
        self._shown = shown and Console().is_terminal
        self._bar = Progress(*columns, disable=not self._shown, transient=True)
        self._task: TaskID | None = None
        self._documents = 0

    def __enter__(self) -> "PrepareProgress":
        if self._shown:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bar.stop()

    def start_reading(self, name: str) -> None:
        """An input begins."""
        self._next(f"reading {name}", None)
        self._documents = 0

    def read_document(self) -> None:
        """One more document of the input."""
        assert self._task is not None
        self._documents += 1
        if self._documents % 1000 == 0:
            name = self._bar.tasks[-1].description.partition(",")[0]
            self._bar.update(self._task, description=f"{name}, {self._documents:,} documents")

    def start_work(self, total_bytes: int, streams: int) -> None:
        """Encoding begins: ``total_bytes`` of UTF-8 in ``streams``."""
        self._next(f"packing {streams:,} streams", total_bytes)

    def advance(self, num_bytes: int) -> None:
        """So many more bytes of text are in blocks."""
        assert self._task is not None
        self._bar.advance(self._task, num_bytes)

    def _next(self, description: str, total: int | None) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(description, total=total)
