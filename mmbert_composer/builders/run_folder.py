"""The run folder: checked before anything is written, then given what makes it complete by itself."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mmbert_composer.checkpoints.list_checkpoints import CheckpointFile
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.curriculum import SegmentPlan
from mmbert_composer.curriculum.segment_plan import read_plan_json
from mmbert_composer.data.atomic_write import write_json, write_text
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.run_lock import NAME as LOCK


def check_run_folder(folder: Path, *, autoresume: bool) -> None:
    """Refuse a folder that holds something else than a run, and a run that must not go on."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"save_folder {folder} is a file; name a folder")
    inside = sorted(path.name for path in folder.iterdir() if path.name != LOCK and not _is_unfinished(path))
    if inside and "plan.json" not in inside:
        raise UserError(
            f"save_folder {folder} holds something else than a run ({', '.join(inside[:3])}); nothing was written. "
            f"Name a new or empty folder"
        )
    if inside and not autoresume:
        raise UserError(f"save_folder {folder} holds a run and autoresume is false; name a new or empty folder")


def _is_unfinished(path: Path) -> bool:
    """Whether ``path`` is what a process left that was killed while it wrote a run's very first file."""
    return path.name.startswith(".plan.json.") and path.name.endswith(".tmp")


def earlier_cursors(folder: Path) -> dict[str, int]:
    """The cursors that the run in this folder started from, so that its restart makes the same plan."""
    path = folder / "plan.json"
    if not path.exists():
        return {}
    plan: Any = read_plan_json(path)
    return {name: cursor for name, cursor in zip(plan["streams"], plan["cursors"], strict=True) if cursor}


def check_plan(folder: Path, plan: SegmentPlan, newest: CheckpointFile | None) -> None:
    """Refuse to go on in a folder whose run was planned otherwise, as far as it has been trained.

    Raises:
        UserError: with the first segment that differs.
    """
    path = folder / "plan.json"
    if not path.exists():
        return
    theirs: Any = read_plan_json(path)["chain"]
    touched = 1 if newest is None else trained_segments(newest)
    for segment in range(min(touched, len(theirs) - 1) + 1):
        if segment >= len(plan.chain) or theirs[segment] != plan.chain[segment]:
            what = (
                "block size, segment_blocks, data.seed or data.shuffle_window"
                if segment == 0
                else f"segment {segment - 1}"
            )
            raise UserError(
                f"save_folder {folder} holds a run with another plan: they differ in {what}, and that run has begun "
                f"{touched} segments. Set the curriculum and data back, or name another save_folder"
            )


def trained_segments(checkpoint: CheckpointFile) -> int:
    """Segments begun before a checkpoint, from the dataset's state in it."""
    state = read_checkpoint(checkpoint.path)["state"]
    train = (state.get("dataset_state") or {}).get("train") or {}
    return int(train.get("epoch", 0)) + (1 if train.get("sample_in_epoch") else 0)


def write_run_folder(
    folder: Path, config: Mapping[str, Any], plan: SegmentPlan, model_config: Mapping[str, Any], tokenizer: Path
) -> None:
    """Write ``config.yaml``, ``plan.json``, ``model_config.json`` and a copy of the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "plan.json", plan.to_json(), indent=None)  # first: it marks the folder as a run's
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(config))))
    write_json(folder / "model_config.json", dict(model_config))
    if not (folder / "tokenizer").exists():
        shutil.copytree(tokenizer, folder / "tokenizer.unfinished", dirs_exist_ok=True)
        (folder / "tokenizer.unfinished").rename(folder / "tokenizer")
