"""Writing a safetensors file piece by piece, in any order: its header first, every tensor where it belongs."""

import json
import os
from collections.abc import Mapping
from math import prod
from pathlib import Path

import torch
from torch import Tensor

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Types as the format calls them (https://huggingface.co/docs/safetensors)."""


class SafetensorsWriter:
    """A new safetensors file whose tensors are written in slices, by any number of threads; a context manager.

    The disk's space is taken at once: a full disk is an OSError here, before the work is done.

    Args:
        file: to write.
        tensors: type and shape of each by name.
    """

    def __init__(self, file: Path, tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> None:
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        self._places: dict[str, tuple[int, torch.dtype]] = {}
        end = 0
        # The widest first, so that each begins at a multiple of its width without gaps, which the format forbids.
        for name, (dtype, shape) in sorted(tensors.items(), key=lambda item: (-item[1][0].itemsize, item[0])):
            start, end = end, end + prod(shape) * dtype.itemsize
            header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
            self._places[name] = (start, dtype)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._data = 8 + len(text)
        self._file = file.open("wb", buffering=0)
        try:
            _reserve(self._file.fileno(), self._data + end)
            self._file.write(len(text).to_bytes(8, "little") + text)
        except BaseException:
            self._file.close()
            raise

    def write(self, name: str, start: int, values: Tensor) -> None:
        """Write ``values``, converted to the tensor's type, as its elements from number ``start`` on."""
        stored = values.to(self._places[name][1]).contiguous()
        # As bytes: numpy knows no bfloat16.
        self.write_bytes(name, start, stored.view(torch.uint8).numpy().data)

    def write_bytes(self, name: str, start: int, raw: memoryview) -> None:
        """Write bytes as they are, as the tensor's elements from number ``start`` on."""
        place, dtype = self._places[name]
        position, done = self._data + place + start * dtype.itemsize, 0
        while done < len(raw):
            done += os.pwrite(self._file.fileno(), raw[done:], position + done)

    def __enter__(self) -> "SafetensorsWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
