"""Attention by the flash-attn package (CUDA, fp16 or bf16): version 2, or 3 on Hopper where it is installed."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmbert_composer.models.attention.flash_limits import Problem, flash_limits
from mmbert_composer.models.attention.packed_layout import PackedLayout

INSTALL = "pip install 'mmbert-composer[gpu]'"
HOPPER = 9
"""Major compute capability that flash-attn 3 is written for."""


class Loaded(NamedTuple):
    """Outcome of importing flash-attn.

    Attributes:
        function: ``flash_attn_varlen_func``, or None.
        what: version, for the log.
        broken: what failed to import, with its error; empty if nothing that is installed failed.
    """

    function: Callable[..., Any] | None
    what: str
    broken: str


@cache
def load_flash_attn(hopper: bool) -> Loaded:
    """Import the varlen function of flash-attn: 3 if ``hopper`` and installed, else 2. Imported once, when asked for.

    A build for another torch or CUDA fails at import, with whatever error its loader raises.
    """
    broken = []
    for module, what in [("flash_attn_interface", "flash-attn 3")] * hopper + [("flash_attn", "flash-attn 2")]:
        if find_spec(module) is None:
            continue
        try:
            function = import_module(module).flash_attn_varlen_func
        except Exception as error:  # ImportError, OSError, RuntimeError, AttributeError have all been seen
            broken.append(f"{what} does not import: {type(error).__name__}: {_first_line(error)}")
        else:
            return Loaded(function, what, "; ".join(broken))
    return Loaded(None, "", "; ".join(broken))


def flash_attn_problem(
    head_dim: int | None = None, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> Problem | None:
    """Why flash-attn cannot run for heads of this width, in this dtype, on this device; None in them is unknown."""
    loaded = load_flash_attn(_is_hopper(device))
    if loaded.function is None and loaded.broken:
        return Problem(
            f"has a broken package ({loaded.broken})",
            f"install a build of flash-attn for torch {torch.__version__}",
            is_fault=True,
        )
    if loaded.function is None:
        return Problem("needs the flash-attn package, which is not installed", INSTALL)
    return flash_limits(head_dim, dtype, device)


def flash_attn_version(device: torch.device) -> str:
    """What ``flash_attention`` runs on a device, for the log; also which newer one does not import."""
    loaded = load_flash_attn(_is_hopper(device))
    return "; ".join(filter(None, [loaded.what, loaded.broken]))


def flash_attention(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, window: int | None) -> Tensor:
    """Attention inside each sequence; see ``packed_attention`` for arguments. Returns [T, N, H].

    Gradients are the same in every run where ``torch.use_deterministic_algorithms(True)`` is set, at some cost:
    otherwise the kernel adds them up in the order in which its blocks finish.
    """
    half = -1 if window is None else window // 2
    out = _function(q.device)(
        q,
        k,
        v,
        cu_seqlens_q=layout.cu_seqlens,
        cu_seqlens_k=layout.cu_seqlens,
        max_seqlen_q=layout.max_seqlen,
        max_seqlen_k=layout.max_seqlen,
        window_size=(half, half),
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )
    # Until 2025, version 3 returned the softmax's log-sum-exp as well.
    return out[0] if isinstance(out, tuple) else out


_functions: dict[torch.device, Callable[..., Any]] = {}


def _function(device: torch.device) -> Callable[..., Any]:
    # A dictionary of our own: torch.compile looks through a `cache` and would trace the import.
    if device not in _functions:
        function = load_flash_attn(_is_hopper(device)).function
        assert function is not None  # the backend was chosen, so it loads
        _functions[device] = function
    return _functions[device]


def _is_hopper(device: torch.device | None) -> bool:
    if not torch.cuda.is_available() or (device is not None and device.type != "cuda"):
        return False
    return torch.cuda.get_device_capability(device)[0] == HOPPER


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
