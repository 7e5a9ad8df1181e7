"""A model to merge or export, wherever it lies: a Hugging Face folder, a checkpoint in a run folder, a run folder."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mmbert_composer.checkpoints.list_checkpoints import newest_checkpoint, skipped_checkpoints
from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.checkpoints.read_checkpoint import Clock, read_clock
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.export.check_request import check_model_path
from mmbert_composer.export.export_model import ModelFiles
from mmbert_composer.export.hf_config import read_hf_config, rope_theta_of


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
    check_model_path(path)
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
        skipped = "; ".join(
            f"{path.name} is {reason}" for path, reason in skipped_checkpoints(folder, content=True).items()
        )
        raise UserError(f"{folder}: no whole checkpoint in it{': ' + skipped if skipped else ''}")
    return newest.path


def _hugging_face(folder: Path) -> ModelSource:
    config = read_hf_config(folder)
    files = ModelFiles(config, folder, rope_theta_of(config), config["max_position_embeddings"])
    return ModelSource(folder, files)
