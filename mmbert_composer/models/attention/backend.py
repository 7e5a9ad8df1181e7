"""The attention backends by name, and whether one of them can run."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.flash_attn import flash_attention, flash_attn_problem
from mmbert_composer.models.attention.flash_limits import Problem
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.reference import reference_attention
from mmbert_composer.models.attention.sdpa import sdpa_attention
from mmbert_composer.models.attention.torch_flash import torch_flash_attention, torch_flash_problem

Attend = Callable[[Tensor, Tensor, Tensor, PackedLayout, int | None], Tensor]
FindProblem = Callable[[int | None, torch.dtype | None, torch.device | None], Problem | None]


class Backend(NamedTuple):
    """One way to compute attention.

    Attributes:
        attend: (q, k, v, layout, window) -> [T, N, H].
        problem: (head_dim, dtype, device) -> why it cannot run there, or None; an argument of None is not known yet.
        is_kernel: it depends on kernels built for this GPU, so it is tried out before it is chosen.
    """

    attend: Attend
    problem: FindProblem
    is_kernel: bool


def _runs_anywhere(head_dim: int | None, dtype: torch.dtype | None, device: torch.device | None) -> None:
    return None


BACKENDS: dict[str, Backend] = {
    "flash_attn": Backend(flash_attention, flash_attn_problem, is_kernel=True),
    "torch_flash": Backend(torch_flash_attention, torch_flash_problem, is_kernel=True),
    "sdpa": Backend(sdpa_attention, _runs_anywhere, is_kernel=False),
    "reference": Backend(reference_attention, _runs_anywhere, is_kernel=False),
}
"""Fastest first: the order in which ``auto`` tries them."""


def check_backend(
    name: str,
    head_dim: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> None:
    """Raise a UserError if the backend that a user asked for cannot run; ``auto`` always can.

    What is not known yet (None) is not checked: a model that is being built knows its head width alone, one that is
    about to train knows all.

    Raises:
        UserError: a name that is no backend, a package that is missing or broken, or a head width, dtype or device
            that the backend cannot take.
    """
    if name != "auto" and name not in BACKENDS:
        raise UserError(f"attention={name!r} is no backend: choose one of auto, {', '.join(BACKENDS)}")
    problem = None if name == "auto" else BACKENDS[name].problem(head_dim, dtype, device)
    if problem:
        raise cannot_run(name, problem, head_dim, dtype, device)


def cannot_run(
    name: str,
    problem: Problem,
    head_dim: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> UserError:
    """The error of a backend that was asked for by name and has a problem; it lists the ones that have none."""
    works = [other for other, row in BACKENDS.items() if other != name and not row.problem(head_dim, dtype, device)]
    return UserError(
        f"attention={name} {problem.reason}: {problem.mend}, "
        f"or choose one that works here: {', '.join(['auto', *works])}"
    )
