"""Writing a model as a folder that transformers loads, and proving that it is the same model."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, AutoTokenizer, ModernBertConfig

from mmbert_composer.checkpoints.safetensors_file import StoredTensor, stored_tensors
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.data.tokenizer_settings import settings_for_both
from mmbert_composer.errors import UserError
from mmbert_composer.export.atomic_folder import atomic_folder
from mmbert_composer.export.compare_logits import compare_logits, fixed_documents, packed_logits
from mmbert_composer.export.export_config import export_config
from mmbert_composer.export.model_card import ModelFacts, model_card
from mmbert_composer.export.packed_model import packed_model
from mmbert_composer.export.sentence_transformers_files import write_sentence_transformers_files
from mmbert_composer.export.weights_file import WriteWeights, check_fit, described, float_dtype, write_weights

RECORD = "export.json"
WEIGHTS = "model.safetensors"
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
    weights: Mapping[str, Tensor] | WriteWeights,
    files: ModelFiles,
    out: str | Path,
    *,
    facts: ModelFacts | None = None,
    record: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> Exported:
    """Write ``weights`` (transformers' names, a tied decoder once) to folder ``out``, reload them and compare.

    ``out`` appears only once everything in it has passed: every name and shape as transformers expects them, every bit
    as given, and the logits of the reloaded model, padded and alone, equal to those of our packed forward. Beyond what
    the caller holds there is never more than one float32 model in memory; float32 weights stay memory-mapped.

    Args:
        weights: tensors by name, or a function that writes them to the file it is given.
        facts: for the model card. Default: the name of ``out`` alone.
        record: what to put into export.json beside the measurements (the checkpoint's step, for example).
        extra: further files to write, by name: a text as it is, all else as JSON.
        replace: take the place of an earlier export at ``out``; any other existing folder is refused.

    Raises:
        UserError: an existing output; names, shapes or a tokenizer that do not fit; logits that differ.
    """
    out = Path(out)
    if replace and out.exists() and not (out / RECORD).is_file():
        raise UserError(f"{out}: holds no {RECORD}, so it is no earlier export and stays; choose another output folder")
    if isinstance(weights, Mapping):
        _config(files, described(weights))  # what does not fit is said before anything is written
    with atomic_folder(out, replace=replace) as folder:
        file = folder / WEIGHTS
        if isinstance(weights, Mapping):
            write_weights(weights, file)
        else:
            weights(file)
        config = _config(files, stored_tensors(file))
        write_json(folder / "config.json", config)
        _copy_tokenizer(files.tokenizer, folder, files.max_seq_len)
        write_sentence_transformers_files(folder, config["hidden_size"], files.max_seq_len)
        differences = _check(config, folder)
        for name, content in (extra or {}).items():
            if isinstance(content, str):
                (folder / name).write_text(content, encoding="utf-8")
            else:
                write_json(folder / name, content)
        write_json(folder / RECORD, {"format": 1, **(record or {}), "differences": dict(differences)})
        card = model_card(facts or ModelFacts(name=out.name), config, differences)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return Exported(out, differences)


def _config(files: ModelFiles, tensors: Mapping[str, StoredTensor]) -> dict[str, Any]:
    """The config to write for weights of these types and shapes; a UserError naming everything that does not fit."""
    config = export_config(files.config, files.rope_theta, files.max_seq_len, float_dtype(tensors))
    check_fit(tensors, config)
    return config


def _copy_tokenizer(source: Path, folder: Path, max_seq_len: int) -> None:
    names = [name for name in _TOKENIZER_FILES if (source / name).is_file()]
    if "tokenizer.json" not in names:
        raise UserError(f"{source}: no tokenizer.json in it; expected the folder of a tokenizer")
    for name in names:
        shutil.copyfile(source / name, folder / name)
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        content = json.loads(settings.read_text(encoding="utf-8"))
        write_json(settings, {**settings_for_both(content), "model_max_length": max_seq_len})


def _check(config: Mapping[str, Any], folder: Path) -> Mapping[str, float]:
    """Reload ``folder`` as a user would, offline, and compare; raises a UserError if anything differs."""
    # Our model is gone before transformers' is there.
    packed = packed_logits(packed_model(config, folder / WEIGHTS), fixed_documents(ModernBertConfig(**config)))
    reloaded, loading = AutoModelForMaskedLM.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        dtype=torch.float32,
        attn_implementation="sdpa",
        output_loading_info=True,
    )
    wrong = {kind: sorted(map(str, names)) for kind, names in loading.items() if names}
    if wrong:
        raise UserError(f"export: transformers loads the written folder with {wrong}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, ImportError, OSError, KeyError) as error:
        raise UserError(f"export: transformers does not load the tokenizer: {str(error).splitlines()[0]}") from error
    if len(tokenizer) > reloaded.config.vocab_size:
        raise UserError(f"export: the tokenizer has {len(tokenizer)} tokens, the model {reloaded.config.vocab_size}")
    for kind in ("pad", "bos", "eos"):
        ours, theirs = getattr(reloaded.config, f"{kind}_token_id"), getattr(tokenizer, f"{kind}_token_id")
        if theirs is not None and ours != theirs:
            raise UserError(f"export: {kind} is token {theirs} in the tokenizer and {ours} in the model config")
    differences = compare_logits(packed, reloaded)
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
