"""What can be said of an import from names, sizes and JSON files alone: fast, before torch is there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.run_folder import MODEL_CONFIG
from mmbert_composer.checkpoints.weight_files import weight_files
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError
from mmbert_composer.export.atomic_folder import refuse_existing
from mmbert_composer.export.hf_config import read_hf_config
from mmbert_composer.importing.kept_ids import NewTokens, new_tokens


@dataclass(frozen=True)
class ImportRequest:
    """A checked import: the folder, its config with the tokenizer's ids, its tokenizer, and what a grown one adds."""

    source: Path
    config: dict[str, Any]
    tokenizer: TokenizerFiles
    grown: TokenizerFiles | None
    added: NewTokens | None
    notes: tuple[str, ...]
    """What was put right, one line each, for the user to see."""


def check_import(source: Path, out: Path, tokenizer: Path | None = None) -> ImportRequest:
    """Check everything about importing ``source`` to ``out`` that needs no weights.

    Raises:
        UserError: an existing ``out``; no folder, no ModernBERT, no safetensors; a tokenizer that is missing, lacks a
            special token or is larger than the embedding; a grown ``tokenizer`` that moves tokens.
    """
    refuse_existing(out)
    if not source.is_dir():
        hint = ""
        if not source.exists() and not source.is_absolute() and str(source).count("/") == 1:
            hint = f"; a model on the hub is downloaded first: hf download {source} --local-dir FOLDER"
        raise UserError(f"{source}: no such folder; expected a Hugging Face folder{hint}")
    if (source / MODEL_CONFIG).is_file() and not (source / "config.json").is_file():
        raise UserError(f"{source}: a run folder, which needs no import: start from it with load_path={source}")
    config = read_hf_config(source)
    weight_files(source)
    files = TokenizerFiles(source)
    rows = int(config.get("vocab_size") or 0)
    if files.vocab_size > rows:
        raise UserError(
            f"{source}: the tokenizer has ids up to {files.vocab_size - 1:,} and the embedding {rows:,} rows: they do "
            "not belong together. Put the tokenizer there that the model was trained with, and give a larger one with "
            "--tokenizer"
        )
    config, notes = _with_ids(config, files)
    if tokenizer is None:
        return ImportRequest(source, config, files, None, None, notes)
    grown = TokenizerFiles(tokenizer)
    return ImportRequest(source, config, files, grown, new_tokens(files, grown), notes)


def _with_ids(config: dict[str, Any], files: TokenizerFiles) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The config with pad, bos and eos as the tokenizer has them, and what that changed."""
    notes = []
    ids = {f"{key}_token_id": files.special_ids[key] for key in ("pad", "bos", "eos")}
    for key, index in ids.items():
        if config.get(key) is not None and config[key] != index:
            notes.append(f"{key} was {config[key]} in config.json and is {index} in the tokenizer, which counts")
    return {**config, **ids}, tuple(notes)
