"""Which checkpoints of a run a merge takes, which one is its base, and which must therefore not be pruned."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.list_checkpoints import (
    CheckpointFile,
    is_checkpoint_name,
    last_unharmed,
    list_checkpoints,
    named_checkpoints,
)
from mmbert_composer.checkpoints.read_checkpoint import read_clock
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.export.model_source import newest_in
from mmbert_composer.merging.merge_method import MergeMethod

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunMerge:
    """Which checkpoints of a run to merge, and how.

    ``last``: how many of the newest checkpoints. ``models``: an explicit list instead, names in the run folder or
    paths. ``base`` (of methods that need one): a checkpoint, run folder or Hugging Face folder; None is the checkpoint
    that the last phase started from, in a run of one phase what its ``load_path`` names. ``explain``: write what the
    merge did to each group of parameters, too.
    """

    method: MergeMethod = field(default_factory=MergeMethod)
    last: int = 3
    models: tuple[str, ...] = ()
    base: str | None = None
    explain: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.last, bool) or not isinstance(self.last, int) or self.last < 1:
            raise UserError(f"merge: last={self.last!r} must be a whole number of checkpoints, at least 1")
        if self.base is not None:
            self.method.check_base(self.base)
        # Fewer than a method needs may still be there in the end; more than it takes, or than it has weights for, not.
        self.method.check_count(max(len(self.models) or self.last, self.method.row.least))

    def request(self) -> dict[str, Any]:
        """What was asked for, as plain values: recorded in merge.json to recognise the merge later."""
        return {
            "method": self.method.method,
            "parameters": self.method.parameters(),
            "last": self.last,
            "models": list(self.models),
            "base": self.base,
        }


def last_phase_start(run: RunFolder) -> int | None:
    """Clock, in slots, at which the run's last phase starts; None where that is the run's own start."""
    return run.phases[-1].start if len(run.phases) > 1 else None


def check_base_exists(run: RunFolder, settings: RunMerge) -> None:
    """Raise a UserError for a named base that is neither there nor a checkpoint that the run may still write."""
    if settings.base is None or is_checkpoint_name(Path(settings.base).name):
        return
    there = base_path(run, settings)
    if there is not None and not there.exists():
        raise UserError(
            f"merge: base={settings.base} does not exist; name a checkpoint of this run, another run's folder or a "
            f"Hugging Face folder"
        )


def check_base(run: RunFolder, settings: RunMerge) -> None:
    """Raise a UserError now if the merge at the end will have no base; needs no checkpoint to exist yet."""
    check_base_exists(run, settings)
    if settings.method.needs_base and settings.base is None and last_phase_start(run) is None:
        _loaded_base(run, settings)


def base_path(run: RunFolder, settings: RunMerge) -> Path | None:
    """The file or folder of the merge's base; None for a method without one."""
    if not settings.method.needs_base:
        return None
    if settings.base is not None:
        inside = run.path / settings.base
        return inside if inside.exists() else Path(settings.base)
    start = last_phase_start(run)
    if start is None:
        return _loaded_base(run, settings)
    file = checkpoint_at(named_checkpoints(run.path), start)
    if file is None:
        raise UserError(
            f"{run.path}: no checkpoint at {start} tokens, where phase {run.phases[-1].name!r} starts; name the base "
            "of the merge (base: FILE)"
        )
    return file


def pinned_checkpoints(run: RunFolder, settings: RunMerge, saved: Sequence[CheckpointFile]) -> set[Path]:
    """Those of the checkpoints ``saved`` so far that a later merge may need, and that pruning must leave."""
    base = None
    if settings.method.needs_base:
        start = last_phase_start(run)
        if settings.base is not None:
            base = run.path / settings.base
        elif start is not None:
            base = checkpoint_at(sorted(saved, key=lambda file: file.batch), start)
    if settings.models:
        wanted = {(run.path / name).resolve() for name in settings.models}
        pinned = {file.path for file in saved if file.path.resolve() in wanted}
    else:
        others = [file for file in saved if base is None or file.path.resolve() != base.resolve()]
        pinned = {file.path for file in sorted(others, key=lambda file: file.batch)[-settings.last :]}
    return pinned if base is None else pinned | {file.path for file in saved if file.path.resolve() == base.resolve()}


def checkpoint_at(files: Sequence[CheckpointFile], token: int) -> Path | None:
    """The checkpoint whose clock is exactly at ``token`` slots, or None; unreadable ones are passed over."""
    for file in reversed(files):
        try:
            clock = read_clock(file.path)
        except UserError:
            continue
        if clock.token == token:
            return file.path
        if clock.token < token:
            return None
    return None


def _loaded_base(run: RunFolder, settings: RunMerge) -> Path:
    load_path = run.config.get("load_path")
    if not load_path:
        raise UserError(
            f"{run.path}: method={settings.method.method} merges differences from a base; this run has one phase and "
            "started from nothing, so name the base: the model that training started from (base: FILE)"
        )
    path = Path(str(load_path))
    return newest_in(path) if path.is_dir() and not (path / "config.json").is_file() else path


def merged_files(run: RunFolder, settings: RunMerge, base: Path | None) -> list[Path]:
    """The checkpoints to merge, oldest first: those named, or the last whole ones, for ties those after the base."""
    if settings.models:
        return [run.path / name if (run.path / name).exists() else Path(name) for name in settings.models]
    files = list_checkpoints(run.path)
    origin = [file.batch for file in files if base is not None and file.path.resolve() == base.resolve()]
    # The base has no difference to itself, and what came before it did not start from it.
    files = last_unharmed([file for file in files if not origin or file.batch > origin[0]], settings.last)
    if not files:
        after = f" after its base {base}" if origin else ""
        raise UserError(
            f"{run.path}: no whole checkpoint to merge{after}; lower save_interval so that there are {settings.last}"
        )
    if len(files) < settings.last:
        log.warning("merge: %s has %d checkpoints where %d were asked for", run.path, len(files), settings.last)
    return [file.path for file in files]
