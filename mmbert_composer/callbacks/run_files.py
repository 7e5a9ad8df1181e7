"""The files beside the checkpoints that make a run folder complete, for runs that nobody else writes them for."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from composer.callbacks import CheckpointSaver
from composer.core import State
from composer.utils import dist, format_name_with_dist

from mmbert_composer.checkpoints.run_folder import MODEL_CONFIG, TOKENIZER, RunFolder
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.errors import UserError


def find_run_folder(state: State, run_folder: str | Path | None, callback: str) -> Path:
    """The run folder: as given, else where the Trainer's own CheckpointSaver writes (``Trainer(save_folder=...)``)."""
    if run_folder is not None:
        return Path(run_folder)
    for other in state.callbacks:
        if isinstance(other, CheckpointSaver):
            folder = Path(format_name_with_dist(other.folder, state.run_name))
            return folder.parent if folder.name == "checkpoints" else folder
    raise UserError(f"{callback}: no folder to work in; give Trainer a save_folder, or the callback a run_folder")


def live_model(state: State) -> Any:
    """The transformers model that is trained, out of its ComposerModel and of DDP."""
    model = getattr(state.model, "module", state.model)
    inner = getattr(model, "model", None)
    if inner is None or not hasattr(inner, "config"):
        raise UserError(
            f"{type(model).__name__} holds no transformers model as .model; merging and export need a ComposerModel "
            "around a ModernBertForMaskedLM, such as ModernBertMLM"
        )
    return inner


def live_rope_theta(state: State) -> RopeTheta:
    """The RoPE bases of the model as it is now."""
    config = live_model(state).config
    return RopeTheta(float(config.global_rope_theta), float(config.local_rope_theta))


def ensure_run_files(state: State, run_folder: Path, tokenizer: str | Path | None, callback: str) -> None:
    """Write model_config.json and tokenizer/ into ``run_folder`` where they are missing (rank 0).

    The tokenizer is looked for in ``tokenizer``, then in the prepared data that the train dataset reads, then as the
    model's own ``tokenizer`` (as Composer's HuggingFaceModel has it). Raises UserError if there is none.
    """
    if dist.get_global_rank() != 0:
        return
    run_folder.mkdir(parents=True, exist_ok=True)
    config = run_folder / MODEL_CONFIG
    if not config.is_file():
        _write_config(state, config)
    target = run_folder / TOKENIZER
    if target.is_dir():
        return
    source = _tokenizer_of_data(state) if tokenizer is None else Path(tokenizer)
    own = getattr(getattr(state.model, "module", state.model), "tokenizer", None)
    if source is not None:
        if not (source / "tokenizer.json").is_file():
            raise UserError(f"{callback}: {source} holds no tokenizer.json; give the folder of the tokenizer")
        shutil.copytree(source, target)
    elif own is not None:
        own.save_pretrained(target)
    else:
        raise UserError(
            f"{callback}: no tokenizer found; give its folder (tokenizer=...) so that the model can be used"
        )


def refresh_model_config(state: State, run_folder: Path) -> None:
    """Bring model_config.json up to date where no plan tells the RoPE theta of each checkpoint (rank 0).

    In a run by hand a callback may have changed the theta since the file was written.
    """
    if dist.get_global_rank() != 0 or RunFolder(run_folder).phases:
        return
    _write_config(state, run_folder / MODEL_CONFIG)


def _write_config(state: State, file: Path) -> None:
    content = json.dumps(live_model(state).config.to_dict(), indent=2)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(content + "\n", encoding="utf-8")
    os.replace(partial, file)


def _tokenizer_of_data(state: State) -> Path | None:
    dataset = getattr(state.train_dataloader, "dataset", None)
    root = getattr(getattr(dataset, "manifest", None), "root", None)
    return None if root is None else Path(root) / "tokenizer"
