"""Reading Composer checkpoints without running what is in them.

Composer 0.32.1 unpickles whatever a checkpoint holds (``weights_only=False``), so a crafted file runs its commands.
Here only tensors, plain Python values and the few types below are accepted.
"""

import copy
import datetime
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.torch_version import TorchVersion

from mmbert_composer.checkpoints.checkpoint_form import check_form
from mmbert_composer.checkpoints.stored_algorithms import check_algorithms
from mmbert_composer.checkpoints.stored_numpy import NUMPY_GLOBALS
from mmbert_composer.errors import UserError

# What a checkpoint of Composer 0.32.1 holds besides tensors and plain values: wall-clock times (timestamp), the
# torch version (metadata) and numpy's generator state (rng: an array of uint32).
ALLOWED_GLOBALS: list[Any] = [datetime.timedelta, TorchVersion, *NUMPY_GLOBALS]


@dataclass(frozen=True)
class Clock:
    """Where a checkpoint stands: segments (epochs) finished, steps taken, slots (tokens, padding included) trained."""

    epoch: int
    batch: int
    token: int


def read_checkpoint(path: str | Path, *, mmap: bool = True) -> dict[str, Any]:
    """The content of a Composer checkpoint, ``{"state": {"model": ..., ...}, "rng": ...}``.

    With ``mmap`` tensors stay on disk until they are read, so looking at the clock of a large file is cheap; without
    it they are copied to memory, for those who keep them longer than the file may live.
    Raises UserError for a file that is missing, incomplete, of another form, or wants to import anything else.
    """
    path = Path(path)
    check_form(path)
    try:
        with _these_alone(ALLOWED_GLOBALS):
            # Mapped also where it is copied: torch before 2.10 believes a file that says its tensors are longer than
            # they are, and reads beyond them (CVE-2026-24747); a part of a map ends where the file does.
            content = torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, error) from error
    except Exception as error:  # a broken file makes torch raise anything: RuntimeError, IndexError, UnicodeDecodeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a complete checkpoint file ({reason})") from error
    if not isinstance(content, dict) or not isinstance(content.get("state"), dict) or "model" not in content["state"]:
        raise UserError(f"{path}: not a Composer checkpoint, it holds no state.model")
    check_algorithms(content["state"], path)
    return content if mmap else copy.deepcopy(content)


@contextmanager
def _these_alone(allowed: list[Any]) -> Iterator[None]:
    """Torch's safe globals are ``allowed`` and no others: libraries add theirs (DTensor, ...) when imported."""
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(allowed)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others)


def _refusal(path: Path, error: pickle.UnpicklingError) -> UserError:
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    own = re.search(r"(a numpy array .*)", str(error))
    what = "it holds more than tensors and plain values"
    if wanted:
        what = f"it asks for {wanted[1]}"
    elif own:
        what = f"it holds {own[1]}"
    return UserError(
        f"{path}: refused, {what}, and loading that could run code from the file; only checkpoints of tensors, "
        "plain values and Composer's own state are read. If you trust the file, save its weights alone as "
        "safetensors and use those"
    )


def read_clock(path: str | Path) -> Clock:
    """The clock of a checkpoint, read without loading its tensors."""
    return clock_of(read_checkpoint(path), path)


def clock_of(content: dict[str, Any], path: str | Path) -> Clock:
    """The clock inside checkpoint ``content`` read from ``path`` (named in the error)."""
    timestamp = content["state"].get("timestamp", {}).get("Timestamp")
    if timestamp is None:
        raise UserError(f"{path}: holds weights but no timestamp, so its training step is unknown")
    return Clock(epoch=int(timestamp["epoch"]), batch=int(timestamp["batch"]), token=int(timestamp["token"]))
