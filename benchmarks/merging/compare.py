"""How far apart two written merges are; ``python -m benchmarks.merging.compare OURS THEIRS [INPUTS]`` prints JSON.

With INPUTS, elements where some model's difference from the base has exactly the magnitude of its tensor's threshold
are counted and not compared: which of them stay is free. We keep the first by position, mergekit sorts unstably.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from benchmarks.merging.contenders import DENSITY
from benchmarks.merging.places import BASE, MODELS


def compare(ours: Path, theirs: Path, inputs: Path | None = None) -> dict[str, Any]:
    """``difference`` (the largest of any element compared), ``elements``, ``tied``, ``tied_and_different``."""
    difference, elements, tied, tied_and_different = 0.0, 0, 0, 0
    other = dict(_tensors(theirs))
    for name, get in _tensors(ours):
        gap = (get() - other.pop(name)()).abs_()
        elements += gap.numel()
        if inputs is not None:
            ties = _ties(inputs, name)
            tied += int(ties.sum())
            tied_and_different += int((gap[ties] > 0).sum())
            gap[ties] = 0.0
        difference = max(difference, float(gap.max()))
    assert not other, f"{theirs} holds more: {sorted(other)}"
    return {
        "difference": difference,
        "elements": elements,
        "tied": tied,
        "tied_and_different": tied_and_different,
    }


def _tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """Name and a function that reads the tensor, of every file in a folder."""
    for file in sorted(folder.glob("*.safetensors")):
        opened = safe_open(file, "pt")
        for name in sorted(opened.keys()):
            yield name, lambda opened=opened, name=name: opened.get_tensor(name)


def _ties(inputs: Path, name: str) -> Tensor:
    base = dict(_tensors(inputs / BASE))[name]()
    found = torch.zeros(base.shape, dtype=torch.bool)
    for model in MODELS:
        magnitude = (dict(_tensors(inputs / model))[name]() - base).abs_()
        place = magnitude.numel() - max(1, int(DENSITY * magnitude.numel()))
        threshold = float(np.partition(magnitude.flatten().numpy(), place)[place])
        found |= magnitude == threshold
    return found


if __name__ == "__main__":
    print(json.dumps(compare(*map(Path, sys.argv[1:]))))
