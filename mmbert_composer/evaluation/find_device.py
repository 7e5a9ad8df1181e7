"""Where to run."""

import torch

from mmbert_composer.errors import UserError


def find_device(name: str | None) -> str:
    """``name``, or a GPU if there is one, else the CPU. Raises UserError for a device that is not there."""
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name}: known are cpu, cuda and cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: known are cpu, cuda and cuda:N")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UserError(f"--device {name}: this machine has {count} GPUs that torch can use")
    return name
