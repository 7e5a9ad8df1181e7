"""Reading Composer checkpoints without running what is in them.

Composer 0.32.1 unpickles whatever a checkpoint holds (``weights_only=False``), so a crafted file runs its commands.
Here only tensors, plain Python values and the few types below are accepted.
"""

import datetime
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct as numpy_reconstruct  # pyright: ignore[reportAttributeAccessIssue]
from torch.torch_version import TorchVersion

from mmbert_composer.errors import UserError

# What a checkpoint of Composer 0.32.1 holds besides tensors and plain values: wall-clock times (timestamp), the
# torch version (metadata) and numpy's generator state (rng: an array of uint32).
_NUMBERS = (np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.float32)
ALLOWED_GLOBALS: list[Any] = [
    datetime.timedelta,
    TorchVersion,
    np.ndarray,
    np.dtype,
    numpy_reconstruct,
    *(type(np.dtype(number)) for number in (*_NUMBERS, np.float16, np.float64)),
]


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
    Raises UserError for a file that is missing, incomplete, or wants to import anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint file")
    try:
        with torch.serialization.safe_globals(ALLOWED_GLOBALS):
            content = torch.load(str(path), map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it asks for {wanted[1]}" if wanted else "it holds more than tensors and plain values"
        raise UserError(
            f"{path}: refused, {what}, and loading that could run code from the file; only checkpoints of tensors, "
            "plain values and Composer's own state are read. If you trust the file, save its weights alone as "
            "safetensors and use those"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a complete checkpoint file ({reason})") from error
    if not isinstance(content, dict) or not isinstance(content.get("state"), dict) or "model" not in content["state"]:
        raise UserError(f"{path}: not a Composer checkpoint, it holds no state.model")
    return content


def read_clock(path: str | Path) -> Clock:
    """The clock of a checkpoint, read without loading its tensors."""
    return clock_of(read_checkpoint(path), path)


def clock_of(content: dict[str, Any], path: str | Path) -> Clock:
    """The clock inside checkpoint ``content`` read from ``path`` (named in the error)."""
    timestamp = content["state"].get("timestamp", {}).get("Timestamp")
    if timestamp is None:
        raise UserError(f"{path}: holds weights but no timestamp, so its training step is unknown")
    return Clock(epoch=int(timestamp["epoch"]), batch=int(timestamp["batch"]), token=int(timestamp["token"]))
