"""Threads that work on slices, as many as there are cores."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from mmbert_composer.merging.slice_reader import SLICE, SliceReader
from mmbert_composer.merging.stored_model import StoredModel

_MOST = 32
"""Threads beyond which disks and Python's lock are the limit."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class SlicePool:
    """Runs work on slices in threads, each with a SliceReader of its own; torch runs on one thread in each.

    A context manager: torch gets its threads back when it ends.

    Args:
        models: what the readers read.
        base: None for methods without one.
        length: elements of the longest slice.
        workers: number of threads; None takes the cores that this process may use.
    """

    def __init__(
        self,
        models: Sequence[StoredModel],
        base: StoredModel | None,
        *,
        length: int = SLICE,
        workers: int | None = None,
    ) -> None:
        self.length = length
        self.models = models
        self.base = base
        self._executor = ThreadPoolExecutor(workers or min(_MOST, _cores()), "merge")
        self._own = threading.local()
        self._threads = torch.get_num_threads()

    def map(self, work: Callable[[SliceReader, Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``work(reader, item)`` of every item, in their order; what one raises ends all."""
        return self._executor.map(lambda item: work(self._reader(), item), items)

    def _reader(self) -> SliceReader:
        if not hasattr(self._own, "reader"):
            self._own.reader = SliceReader(self.models, self.base, self.length)
        return self._own.reader

    def __enter__(self) -> "SlicePool":
        torch.set_num_threads(1)
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
