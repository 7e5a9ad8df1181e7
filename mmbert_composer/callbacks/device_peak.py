"""What the vendor says that a device computes in a second."""

import warnings
from types import SimpleNamespace
from typing import Any, cast

import torch
from composer.callbacks.speed_monitor import get_gpu_flops_available


def device_peak(precision: str) -> float | None:
    """Dense FLOP/s of this process's GPU in a precision of Composer (``fp32``, ``amp_bf16``), by Composer's table.

    None on a CPU, and for a GPU that the table does not know.
    """
    if precision == "fp32" and torch.backends.cuda.matmul.allow_tf32:  # as Composer sets it
        precision = "tf32"
    # It reads nothing of the state but the precision.
    state = cast("Any", SimpleNamespace(precision=SimpleNamespace(value=precision)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it does not know the GPU: None says so
        return float(get_gpu_flops_available(state) or 0) or None
