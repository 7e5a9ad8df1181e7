"""Optimizers by name, for a YAML's ``optimizer:`` section."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer

from mmbert_composer.errors import UserError, did_you_mean
from mmbert_composer.optim.decay_groups import decay_groups
from mmbert_composer.optim.stable_adamw import build_stable_adamw


def build_adamw(
    model: nn.Module,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.98),
    eps: float = 1e-6,
    weight_decay: float = 1e-5,
) -> AdamW:
    """torch's AdamW, matrices decayed by lr x weight_decay, norms and biases not; no update clipping."""
    return AdamW(decay_groups(model, weight_decay), lr=lr, betas=(betas[0], betas[1]), eps=eps)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"stable_adamw": build_stable_adamw, "adamw": build_adamw}


def build_optimizer(model: nn.Module, options: Mapping[str, Any]) -> Optimizer:
    """Optimizer of ``{name: stable_adamw, lr: 8e-4, ...}``; see ``check_optimizer`` for errors."""
    check_optimizer(options)
    return OPTIMIZERS[options["name"]](model, **{key: value for key, value in options.items() if key != "name"})


def check_optimizer(options: Mapping[str, Any]) -> None:
    """Check an ``optimizer:`` section without a model.

    Raises:
        UserError: no or an unknown name, a missing ``lr``, an unknown key (naming the nearest), a value out of range.
    """
    name = options.get("name")
    if name not in OPTIMIZERS:
        raise UserError(f"optimizer.name={name!r} is no optimizer: choose one of {', '.join(OPTIMIZERS)}")
    known = [key for key in inspect.signature(OPTIMIZERS[name]).parameters if key != "model"]
    for key in options:
        if key != "name" and key not in known:
            raise UserError(f"optimizer.{key} is no key of {name}: {did_you_mean(key, known)}")
    if "lr" not in options:
        raise UserError(f"optimizer.lr is missing: {name} needs a base learning rate, such as 8e-4")
    for key in ("lr", "eps", "weight_decay"):
        value = options.get(key, 0.0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
            raise UserError(f"optimizer.{key}={value!r} must be a number of at least 0 (in YAML, 8e-4 needs 8.0e-4)")
    betas = options.get("betas", (0.0, 0.0))
    if (
        not isinstance(betas, list | tuple)
        or len(betas) != 2
        or not all(isinstance(beta, int | float) and 0 <= beta < 1 for beta in betas)
    ):
        raise UserError(f"optimizer.betas={betas!r} must be two numbers in [0, 1)")
