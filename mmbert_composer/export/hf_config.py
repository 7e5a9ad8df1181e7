"""Reading the config.json of a ModernBERT folder, as transformers 4 or 5 wrote it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.errors import UserError

# ModernBertConfig's own, in both versions.
_GLOBAL_THETA, _LOCAL_THETA, _EVERY, _MAX_POSITIONS = 160_000.0, 10_000.0, 3, 8192


def read_hf_config(folder: Path) -> dict[str, Any]:
    """The config of a ModernBERT folder with transformers 4's keys filled in from those of 5.

    5 keeps the rotary bases in ``rope_parameters`` and says which layers attend globally in ``layer_types``; 4 has
    ``global_rope_theta``, ``local_rope_theta`` and ``global_attn_every_n_layers``. Where a file has both, they must
    agree.

    Raises:
        UserError: no config.json, another kind of model, or a geometry that our layers cannot have.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise UserError(f"{folder}: no config.json in it; expected a Hugging Face folder")
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is not JSON: {error}") from error
    if not isinstance(config, dict) or config.get("model_type") != "modernbert":
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise UserError(f"{folder}: a {kind} model; only modernbert models can be used")
    rope = config.get("rope_parameters") or {}
    return {
        **config,
        "global_rope_theta": _theta(config, rope, "global_rope_theta", "full_attention", _GLOBAL_THETA, file),
        "local_rope_theta": _theta(config, rope, "local_rope_theta", "sliding_attention", _LOCAL_THETA, file),
        "global_attn_every_n_layers": _every(config, file),
        "max_position_embeddings": config.get("max_position_embeddings") or _MAX_POSITIONS,
    }


def rope_theta_of(config: Mapping[str, Any]) -> RopeTheta:
    """The rotary bases in a config that ``read_hf_config`` gave."""
    return RopeTheta(config["global_rope_theta"], config["local_rope_theta"])


def _theta(
    config: Mapping[str, Any], rope: Mapping[str, Any], old: str, layer: str, default: float, file: Path
) -> float:
    new = rope.get(layer) or ({} if "full_attention" in rope or "sliding_attention" in rope else rope)
    if new.get("rope_type", "default") != "default":
        raise UserError(
            f"{file}: rope_type {new['rope_type']!r} of {layer}; only the default rotary embedding is known"
        )
    values = {key: float(value) for key, value in ((old, config.get(old)), (layer, new.get("rope_theta"))) if value}
    if len(set(values.values())) > 1:
        raise UserError(f"{file}: {old} is {values[old]:g} and rope_parameters say {values[layer]:g}; make them agree")
    return next(iter(values.values()), default)


def _every(config: Mapping[str, Any], file: Path) -> int:
    """``global_attn_every_n_layers``: layers 0, n, 2n, ... attend globally."""
    types: Sequence[str] | None = config.get("layer_types")
    every = config.get("global_attn_every_n_layers")
    if not types:
        return _EVERY if every is None else int(every)
    for n in [int(every)] if every else range(1, len(types) + 1):
        if all((kind == "full_attention") == (layer % n == 0) for layer, kind in enumerate(types)):
            return n
    said = f", and not every {every} layers as global_attn_every_n_layers says" if every else ""
    at = [layer for layer, kind in enumerate(types) if kind == "full_attention"]
    raise UserError(f"{file}: layers {at} attend globally{said}; only 0, n, 2n, ... can be used")
