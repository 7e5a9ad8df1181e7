"""Writing a model as a folder that transformers loads, and proving that it is the same model."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer, ModernBertConfig

from mmbert_composer.checkpoints.model_weights import DECODER
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.errors import UserError
from mmbert_composer.export.atomic_folder import atomic_folder
from mmbert_composer.export.compare_logits import compare_logits
from mmbert_composer.export.export_config import export_config
from mmbert_composer.export.model_card import ModelFacts, model_card
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

RECORD = "export.json"
TOLERANCE = 1e-4
"""Largest difference of a logit that passes, in units of the largest logit or of 1 if that is smaller."""

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)


@dataclass(frozen=True)
class ModelFiles:
    """What a model is besides its weights.

    ``config``: ModernBertConfig's values. ``tokenizer``: folder with its files. ``rope_theta``: the bases that the
    last training step used. ``max_seq_len``: the longest sequence trained on, in tokens.
    """

    config: Mapping[str, Any]
    tokenizer: Path
    rope_theta: RopeTheta
    max_seq_len: int


@dataclass(frozen=True)
class Exported:
    """A written folder, with the largest logit differences measured on it (see ``compare_logits``)."""

    path: Path
    differences: Mapping[str, float]


def export_model(
    weights: Mapping[str, Tensor],
    files: ModelFiles,
    out: str | Path,
    *,
    facts: ModelFacts | None = None,
    record: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> Exported:
    """Write ``weights`` (transformers' names, a tied decoder once) to folder ``out``, reload them and compare.

    ``out`` appears only once everything in it has passed: every name and shape as transformers expects them, and the
    logits of the reloaded model, padded and alone, equal to those of our packed forward.

    Args:
        facts: for the model card. Default: the name of ``out`` alone.
        record: what to put into export.json beside the measurements (the checkpoint's step, for example).
        extra: further JSON files to write, by name.
        replace: take the place of an earlier export at ``out``; any other existing folder is refused.

    Raises:
        UserError: an existing output; names, shapes or a tokenizer that do not fit; logits that differ.
    """
    out = Path(out)
    if replace and out.exists() and not (out / RECORD).is_file():
        raise UserError(f"{out}: holds no {RECORD}, so it is no earlier export and stays; choose another output folder")
    floats = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
    if len(floats) != 1:
        raise UserError(f"export: the weights mix {sorted(map(str, floats))}; convert them to one type first")
    dtype = floats.pop()
    config = export_config(files.config, files.rope_theta, files.max_seq_len, dtype)
    trained = trained_model(weights, config)
    with atomic_folder(out, replace=replace) as folder:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        write_json(folder / "config.json", config)
        _copy_tokenizer(files.tokenizer, folder, files.max_seq_len)
        differences = _check(trained, folder)
        for name, content in (extra or {}).items():
            write_json(folder / name, content)
        write_json(folder / RECORD, {"format": 1, **(record or {}), "differences": dict(differences)})
        card = model_card(facts or ModelFacts(name=out.name), config, differences)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return Exported(out, differences)


def trained_model(weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> ModernBertMLM:
    """Our own model with ``weights`` in float32; raises a UserError naming everything that does not fit."""
    model = ModernBertMLM(ModernBertConfig(**config), compile=False)
    expected = dict(model.model.state_dict())
    if model.config.tie_word_embeddings:
        del expected[DECODER]
    faults = [f"{name} is missing" for name in expected if name not in weights]
    for name, tensor in weights.items():
        if name not in expected:
            faults.append(f"{name} is not a weight of this model")
        elif tensor.shape != expected[name].shape:
            faults.append(f"{name} is {list(tensor.shape)}, the config says {list(expected[name].shape)}")
    if faults:
        raise UserError(f"export: weights and model config do not match: {'; '.join(faults)}")
    model.model.load_state_dict(dict(weights), strict=not model.config.tie_word_embeddings)
    return model.eval()


def _copy_tokenizer(source: Path, folder: Path, max_seq_len: int) -> None:
    names = [name for name in _TOKENIZER_FILES if (source / name).is_file()]
    if "tokenizer.json" not in names:
        raise UserError(f"{source}: no tokenizer.json in it; expected the folder of a tokenizer")
    for name in names:
        shutil.copyfile(source / name, folder / name)
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        content = json.loads(settings.read_text(encoding="utf-8"))
        write_json(settings, {**content, "model_max_length": max_seq_len})


def _check(trained: ModernBertMLM, folder: Path) -> Mapping[str, float]:
    """Reload ``folder`` as a user would, offline, and compare; raises a UserError if anything differs."""
    reloaded, loading = AutoModelForMaskedLM.from_pretrained(
        folder,
        local_files_only=True,
        dtype=torch.float32,
        attn_implementation="sdpa",
        output_loading_info=True,
    )
    wrong = {kind: sorted(map(str, names)) for kind, names in loading.items() if names}
    if wrong:
        raise UserError(f"export: transformers loads the written folder with {wrong}")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if len(tokenizer) > reloaded.config.vocab_size:
        raise UserError(f"export: the tokenizer has {len(tokenizer)} tokens, the model {reloaded.config.vocab_size}")
    for kind in ("pad", "bos", "eos"):
        ours, theirs = getattr(reloaded.config, f"{kind}_token_id"), getattr(tokenizer, f"{kind}_token_id")
        if theirs is not None and ours != theirs:
            raise UserError(f"export: {kind} is token {theirs} in the tokenizer and {ours} in the model config")
    differences = compare_logits(trained, reloaded)
    for kind in ("padded", "alone"):
        if not differences[kind] <= TOLERANCE * max(1.0, differences["scale"]):
            raise UserError(
                f"export: logits of the written model, {kind}, differ from the trained model's by "
                f"{differences[kind]:.3g} (largest logit {differences['scale']:.3g}); nothing was written"
            )
    return differences


def write_json(file: Path, content: Any) -> None:
    """Write ``content`` as indented JSON."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
