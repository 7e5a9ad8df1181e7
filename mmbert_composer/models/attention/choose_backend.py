"""Which backend runs: chosen once for a head width, dtype and device, tried out, and said in one line."""

import logging
import os

import torch
from torch import Tensor

from mmbert_composer.models.attention.backend import BACKENDS, Attend, cannot_run, check_backend
from mmbert_composer.models.attention.flash_attn import flash_attn_version
from mmbert_composer.models.attention.flash_limits import DTYPES, Problem
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.reference import reference_attention

log = logging.getLogger(__name__)

CPU = torch.device("cpu")
Case = tuple[str, int, torch.dtype, torch.device]

_chosen: dict[Case, str] = {}


def choose_backend(name: str, head_dim: int, dtype: torch.dtype, device: torch.device) -> str:
    """Name of the backend that runs where ``name`` was asked for: itself, or the first that works for ``auto``.

    On CUDA in fp16 or bf16 ``auto`` is flash_attn if it imports, else torch_flash, else sdpa; elsewhere sdpa. The
    first call for a case tries the kernel on a few tokens and logs one line (on rank 0); later calls look it up.

    Raises:
        UserError: see ``check_backend``; also a kernel that fails or gives wrong numbers on this GPU.
    """
    case = (name, head_dim, dtype, device)
    if case not in _chosen:
        _chosen[case] = _choose(*case)
    return _chosen[case]


def _choose(name: str, head_dim: int, dtype: torch.dtype, device: torch.device) -> str:
    if name != "auto":
        check_backend(name, head_dim, dtype, device)
        problem = _trial_problem(name, head_dim, dtype, device)
        if problem:
            raise cannot_run(name, problem, head_dim, dtype, device)
        _log_choice(name, dtype, device, {})
        return name
    passed_over: dict[str, Problem] = {}
    for candidate in ("flash_attn", "torch_flash") if device.type == "cuda" else ():
        problem = BACKENDS[candidate].problem(head_dim, dtype, device)
        problem = problem or _trial_problem(candidate, head_dim, dtype, device)
        if problem is None:
            _log_choice(candidate, dtype, device, passed_over)
            return candidate
        passed_over[candidate] = problem
    _log_choice("sdpa", dtype, device, passed_over)
    return "sdpa"


def _trial_problem(name: str, head_dim: int, dtype: torch.dtype, device: torch.device) -> Problem | None:
    return try_out(BACKENDS[name].attend, head_dim, dtype, device) if BACKENDS[name].is_kernel else None


def try_out(attend: Attend, head_dim: int, dtype: torch.dtype, device: torch.device) -> Problem | None:
    """What goes wrong on a few tokens, forward and back: a kernel that was not built for this GPU, say.

    None if the numbers are those of the reference, to what ``dtype`` can tell apart. Uses no global random state.
    """
    lengths, heads, window = [3, 0, 40], 2, 16
    bounds = torch.tensor([0, 3, 3, 43], dtype=torch.int32)
    generator = torch.Generator().manual_seed(0)
    results: list[list[Tensor]] = []
    # The caller may be evaluating, in autocast, which would change dtypes, or in a layer whose activations are
    # computed again, which would count the tensors saved here among its own.
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
        torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x),
    ):
        values = torch.randn(4, sum(lengths), heads, head_dim, generator=generator).to(dtype)
        for function, place, kind in ((reference_attention, CPU, torch.float64), (attend, device, dtype)):
            q, k, v, weight = (x.to(place, kind, copy=True).requires_grad_() for x in values)
            layout = PackedLayout(bounds, max(lengths), sum(lengths), device=place)
            try:
                out = function(q, k, v, layout, window)
                found = [out, *torch.autograd.grad((out * weight).sum(), (q, k, v))]
                results.append([x.detach().to(CPU, torch.float64) for x in found])
            except Exception as error:  # whatever a kernel that does not fit this GPU or this torch raises
                message = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                return Problem(f"fails on this machine ({message})", "mend its installation", is_fault=True)
    tolerance = 0.05 if dtype in DTYPES else 1e-3
    if all(torch.allclose(a, b, atol=tolerance, rtol=tolerance) for a, b in zip(*results, strict=True)):
        return None
    return Problem("gives wrong numbers on this machine", "mend its installation", is_fault=True)


def _log_choice(name: str, dtype: torch.dtype, device: torch.device, passed_over: dict[str, Problem]) -> None:
    if os.environ.get("RANK", "0") != "0":
        return
    version = f" ({flash_attn_version(device)})" if name == "flash_attn" else ""
    why = "".join(f"; {other} {problem.reason}" for other, problem in passed_over.items())
    level = logging.WARNING if any(problem.is_fault for problem in passed_over.values()) else logging.INFO
    log.log(level, "attention: %s%s for %s on %s%s", name, version, str(dtype).removeprefix("torch."), device, why)
