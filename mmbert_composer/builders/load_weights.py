"""Weights of another run, a Hugging Face folder or this run's checkpoint: checked, then taken."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from mmbert_composer.checkpoints.model_weights import DECODER, EMBEDDING, model_weights
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.optim.reset_base_lr import reset_base_lr


def check_weights(model: ModernBertMLM, path: Path, tokenizer: Path) -> None:
    """Refuse weights that do not fit the model or the data, naming what differs, before anything is written.

    Names and shapes must be the model's, except that rows behind the vocabulary, which no text uses, may be more or
    fewer. Where a tokenizer is beside the weights, every token of the data's ``tokenizer`` must have its id there.
    """
    _check_tokenizer(path, tokenizer)
    weights, own = model_weights(path), model.model.state_dict()
    wrong = sorted(
        f"{name} {tuple(weights[name].shape)} there, {tuple(own[name].shape)} here"
        for name in weights.keys() & own.keys()
        if weights[name].shape != own[name].shape and not _differ_in_padding(name, weights, own, tokenizer)
    )
    wrong += sorted(f"{name} only there" for name in weights.keys() - own.keys())
    wrong += sorted(f"{name} only here" for name in own.keys() - weights.keys() if name != DECODER)
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise UserError(
            f"the weights in {path} do not fit the keys of model: {'; '.join(wrong[:5])}{more}{_sizes(weights, own)}"
        )


def load_weights(model: ModernBertMLM, path: Path) -> None:
    """Take the weights of a checkpoint or of a Hugging Face folder; see :func:`check_weights`."""
    own = model.model.state_dict()
    with torch.no_grad():
        for name, value in model_weights(path).items():
            rows = min(len(own[name]), len(value))
            own[name][:rows].copy_(value[:rows])


def _sizes(theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Width and layers of both, where they differ: the one line that tells a small model from a base one."""
    there, here = (
        (
            weights[EMBEDDING].shape[-1] if EMBEDDING in weights else 0,
            len({match[1] for name in weights if (match := re.search(r"layers\.(\d+)\.", name))}),
        )
        for weights in (theirs, own)
    )
    if there == here:
        return ""
    return f": another size, {there[1]} layers {there[0]} wide there, {here[1]} layers {here[0]} wide here"


def _differ_in_padding(name: str, weights: Mapping[str, Tensor], own: Mapping[str, Tensor], tokenizer: Path) -> bool:
    if name not in (EMBEDDING, "decoder.bias") or weights[name].shape[1:] != own[name].shape[1:]:
        return False
    return len(weights[name]) >= TokenizerFiles(tokenizer).vocab_size


def _check_tokenizer(path: Path, tokenizer: Path) -> None:
    folder = path if path.is_dir() else _run_tokenizer(path)
    if folder is None or not (folder / "tokenizer.json").is_file():
        return  # weights alone: nothing to compare with
    if (folder / "tokenizer.json").read_bytes() == (tokenizer / "tokenizer.json").read_bytes():
        return
    theirs = TokenizerFiles(folder).vocabulary
    wrong = {
        token: index for token, index in TokenizerFiles(tokenizer).vocabulary.items() if theirs.get(token) != index
    }
    if not wrong:
        return
    shown = "; ".join(
        f"{token!r} is id {index} in the data and {theirs.get(token, 'absent')} there"
        for token, index in list(wrong.items())[:3]
    )
    grow = ""
    if not any(token in theirs for token in wrong):
        grow = f", or grow the model to the data's: mmbert import MODEL --tokenizer {tokenizer} --out NEW"
    raise UserError(
        f"the weights in {path} were trained with another tokenizer than the data was prepared with, {len(wrong):,} "
        f"tokens differ: {shown}. Prepare the data with --tokenizer {folder}{grow}"
    )


def _run_tokenizer(checkpoint: Path) -> Path | None:
    try:
        return RunFolder.of(checkpoint).tokenizer
    except UserError:
        return None  # a checkpoint without its run folder


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
