"""Weights of another run, a Hugging Face folder or this run's checkpoint: checked, then taken."""

from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.optim.reset_base_lr import reset_base_lr


def check_weights(model: ModernBertMLM, path: Path) -> None:
    """Refuse weights of other names or shapes than the model's, naming them, before anything is written."""
    weights, own = model_weights(path), model.model.state_dict()
    wrong = sorted(
        f"{name} {tuple(weights[name].shape)} there, {tuple(own[name].shape)} here"
        for name in weights.keys() & own.keys()
        if weights[name].shape != own[name].shape
    )
    wrong += sorted(f"{name} only there" for name in weights.keys() - own.keys())
    wrong += sorted(f"{name} only here" for name in own.keys() - weights.keys() if name != "decoder.weight")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise UserError(f"the weights in {path} do not fit the keys of model: {'; '.join(wrong[:5])}{more}")


def load_weights(model: ModernBertMLM, path: Path) -> None:
    """Take the weights of a checkpoint or of a Hugging Face folder; see :func:`check_weights`."""
    own = model.model.state_dict()
    with torch.no_grad():
        for name, value in model_weights(path).items():
            own[name].copy_(value)


def keep_weights_and_optimizer(checkpoint: dict[str, Any]) -> None:
    """What ``load_as: continue`` takes from a checkpoint, by removing the rest (Composer's load_ignore_keys)."""
    checkpoint.pop("rng", None)
    for key in set(checkpoint["state"]) - {"model", "optimizers", "metadata", "integrations"}:
        del checkpoint["state"][key]


OPTIONS = ("betas", "beta1", "beta2", "eps", "weight_decay")
"""Of a parameter group, what the settings choose. The rest (step, setup, ...) is state and goes on."""


def group_options(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The options of each parameter group, as the settings made them."""
    return [{key: group[key] for key in OPTIONS if key in group} for group in optimizer.param_groups]


def restore_options(optimizer: Optimizer, options: list[dict[str, Any]], lr: float, schedulers: Any) -> None:
    """Put a run's own options back where a checkpoint brought its own: betas, eps, weight decay, learning rate."""
    for group, own in zip(optimizer.param_groups, options, strict=True):
        group.update(own)
    reset_base_lr(optimizer, lr, schedulers)
