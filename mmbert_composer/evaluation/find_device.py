"""Where to run."""

import torch

from mmbert_composer.errors import UserError


def find_device(name: str | None) -> str:
    """``name``, or a GPU if there is one, else the CPU. Raises UserError for a device that is not there."""
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: known are cpu and cuda; CUDA_VISIBLE_DEVICES=1 chooses among several GPUs")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: torch finds no GPU; mmbert doctor says why")
    return name
