"""A model to merge or export, wherever it lies: a Hugging Face folder, a checkpoint in a run folder, a run folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mmbert_composer.checkpoints.list_checkpoints import newest_checkpoint, skipped_checkpoints
from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.checkpoints.read_checkpoint import Clock, read_clock
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.errors import UserError
from mmbert_composer.export.export_model import ModelFiles


@dataclass(frozen=True)
class ModelSource:
    """A model found at ``path``; ``clock`` and ``run`` are None for a Hugging Face folder."""

    path: Path
    files: ModelFiles
    clock: Clock | None = None
    run: RunFolder | None = None

    def weights(self) -> dict[str, Tensor]:
        """Its weights by transformers' names, memory-mapped."""
        return model_weights(self.path)


def open_model(path: str | Path) -> ModelSource:
    """The model at ``path``; a run folder stands for its newest whole checkpoint.

    Raises UserError for a path that is none of these, or a checkpoint whose run folder lacks what describes it.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; expected a checkpoint, a run folder or a Hugging Face folder")
    if path.is_dir() and (path / "config.json").is_file():
        return _hugging_face(path)
    run = RunFolder.of(path)
    if path.is_dir():
        path = newest_in(path)
    clock = read_clock(path)
    files = ModelFiles(run.model_config, run.tokenizer, run.rope_theta(clock.token), run.max_seq_len(clock.token))
    return ModelSource(path, files, clock, run)


def newest_in(folder: Path) -> Path:
    """The newest whole checkpoint of a run folder; a UserError naming what was skipped if there is none."""
    newest = newest_checkpoint(folder)
    if newest is None:
        skipped = "; ".join(f"{path.name} is {reason}" for path, reason in skipped_checkpoints(folder).items())
        raise UserError(f"{folder}: no whole checkpoint in it{': ' + skipped if skipped else ''}")
    return newest.path


def _hugging_face(folder: Path) -> ModelSource:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != "modernbert":
        raise UserError(f"{folder}: a {config.get('model_type')} model; only modernbert models can be used")
    # transformers 5 keeps the rotary bases in rope_parameters alone, 4 in two plain keys.
    parameters = config.get("rope_parameters") or {}
    theta = RopeTheta(
        config.get("global_rope_theta", parameters.get("full_attention", {}).get("rope_theta", 160_000.0)),
        config.get("local_rope_theta", parameters.get("sliding_attention", {}).get("rope_theta", 10_000.0)),
    )
    return ModelSource(folder, ModelFiles(config, folder, theta, config.get("max_position_embeddings", 8192)))
