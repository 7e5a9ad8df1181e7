"""Tuning in one process, whatever the environment says of ranks."""

import contextlib
import os
from collections.abc import Iterator

_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


@contextlib.contextmanager
def one_process() -> Iterator[None]:
    """Without the launcher's variables.

    Composer sets them also for a single process, and accelerate, under transformers' Trainer, would then look for the
    others: a run and an evaluation in one program, or an evaluation started below a launcher.
    """
    hidden = {name: os.environ.pop(name) for name in _RANKS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
