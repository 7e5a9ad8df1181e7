"""Merging sets of weights tensor by tensor, after checking that they belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import xxhash
from torch import Tensor

from mmbert_composer.errors import UserError
from mmbert_composer.merging.merge_method import MergeMethod

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class NamedWeights:
    """Weights with the name to use in messages and the hash of their content."""

    name: str
    weights: Weights
    hash: str


def read_weights(name: str, weights: Weights) -> NamedWeights:
    """Hash ``weights`` (xxh3-128 over names, dtypes, shapes and bytes) and refuse any NaN or infinity in them."""
    digest = xxhash.xxh3_128()
    broken = []
    for key in sorted(weights):
        tensor = weights[key].detach().contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            broken.append(key)
    if broken:
        raise UserError(f"merge: {name} holds NaN or infinite values in {', '.join(broken)}; leave this model out")
    return NamedWeights(name, weights, digest.hexdigest())


def merge_weights(
    models: Sequence[NamedWeights], method: MergeMethod, base: NamedWeights | None = None
) -> dict[str, Tensor]:
    """The merge of ``models``, accumulated in float32 and cast back to the models' dtype (float32 if they differ).

    The result does not depend, to the last bit, on the order of the models; ema alone takes them oldest first.
    Tensors that hold no floats are never averaged: they are the base's, or what all models share.

    Raises:
        UserError: names or shapes that differ, all of them named; integers that differ without a base.
    """
    if not models:
        raise UserError("merge: no models given")
    if method.needs_base and base is None:
        raise UserError(f"merge: method={method.method} needs a base: the model that the others were trained from")
    _check_alike([*models, base] if base is not None else models)
    if not method.ordered:
        models, method = _in_fixed_order(models, method)
    merge = method.merger(len(models))
    merged: dict[str, Tensor] = {}
    for name in models[0].weights:
        tensors = [model.weights[name] for model in models]
        origin = None if base is None else base.weights[name]
        if tensors[0].is_floating_point():
            dtypes = {tensor.dtype for tensor in tensors}
            merged[name] = merge(tensors, origin).to(dtypes.pop() if len(dtypes) == 1 else torch.float32)
        else:
            merged[name] = _unmerged(name, models, tensors, origin)
    return merged


def _in_fixed_order(models: Sequence[NamedWeights], method: MergeMethod) -> tuple[list[NamedWeights], MergeMethod]:
    """Models sorted by content, their weights with them: the rounding of a float sum depends on its order."""
    if method.weights is None:
        return sorted(models, key=lambda model: model.hash), method
    method.check_count(len(models))
    pairs = sorted(zip(models, method.weights, strict=True), key=lambda pair: (pair[0].hash, pair[1]))
    return [model for model, _ in pairs], replace(method, weights=tuple(weight for _, weight in pairs))


def _unmerged(name: str, models: Sequence[NamedWeights], tensors: list[Tensor], origin: Tensor | None) -> Tensor:
    if origin is not None:
        return origin.clone()
    if any(not torch.equal(tensor, tensors[0]) for tensor in tensors[1:]):
        shown = ", ".join(sorted(model.name for model in models))
        raise UserError(f"merge: {name} holds integers that differ between {shown}, and integers are not averaged")
    return tensors[0].clone()


def _check_alike(models: Sequence[NamedWeights]) -> None:
    first = models[0]
    faults = []
    for model in models[1:]:
        missing = sorted(set(first.weights) - set(model.weights))
        extra = sorted(set(model.weights) - set(first.weights))
        faults += [f"{name} is missing in {model.name}" for name in missing]
        faults += [f"{name} is only in {model.name}" for name in extra]
        for name in first.weights:
            if name in model.weights and model.weights[name].shape != first.weights[name].shape:
                shapes = f"{list(first.weights[name].shape)} and {list(model.weights[name].shape)}"
                faults.append(f"{name} has shapes {shapes} in {first.name} and {model.name}")
    if faults:
        raise UserError(f"merge: the models do not match: {'; '.join(faults)}")
