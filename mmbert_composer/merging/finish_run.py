"""Merging a run's own last checkpoints into ``<run>/merged``, as often as asked and once done.

Nothing here knows of a trainer: the callback calls it at the end of training, a restarted finished run and
``mmbert merge RUN`` call it with the files alone.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.list_checkpoints import (
    CheckpointFile,
    list_checkpoints,
    named_checkpoints,
    newest_checkpoint,
)
from mmbert_composer.checkpoints.read_checkpoint import read_clock
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.export.atomic_folder import remove_partial
from mmbert_composer.export.model_source import newest_in, open_model
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_models import RECORD, Merged, check_sources, merge_sources, short_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunMerge:
    """Which checkpoints of a run to merge, and how.

    ``last``: how many of the newest checkpoints. ``models``: an explicit list instead, names in the run folder or
    paths. ``base`` (ties): a checkpoint, run folder or Hugging Face folder; None is the checkpoint that the last phase
    started from, in a run of one phase what its ``load_path`` names.
    """

    method: MergeMethod = field(default_factory=MergeMethod)
    last: int = 3
    models: tuple[str, ...] = ()
    base: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.last, bool) or not isinstance(self.last, int) or self.last < 1:
            raise UserError(f"merge: last={self.last!r} must be a whole number of checkpoints, at least 1")
        if self.base is not None and not self.method.needs_base:
            raise UserError(f"merge: base is for method=ties, not {self.method.method}")


def merge_run(run_folder: str | Path, settings: RunMerge, *, out: str | Path | None = None) -> Merged | None:
    """Write the merge of ``run_folder`` to ``out`` (default ``<run>/merged``); None if it is there already.

    An earlier merge with other settings or of other checkpoints is replaced, half-written ones are removed.
    The result has the rotary bases of the newest checkpoint merged.
    """
    run = RunFolder(Path(run_folder))
    out = run.path / "merged" if out is None else Path(out)
    remove_partial(out)
    asked = _asked(settings)
    if _is_done(run, out, settings, asked):
        return None
    base = base_path(run, settings)
    models = _models(run, settings, base)
    sources = [open_model(path) for path in models]
    origin = None if base is None else open_model(base)
    check_sources(sources, origin)
    if len({source.files.rope_theta for source in sources}) > 1:
        log.warning("merge: the checkpoints span a change of RoPE theta; the result keeps the newest's")
    merged = merge_sources(
        sources,
        out,
        settings.method,
        origin=origin,
        run=run,
        settings=asked,
        replace_earlier=True,
    )
    log.info("merged %s by %s into %s", ", ".join(path.name for path in models), settings.method.method, out)
    return merged


def last_phase_start(run: RunFolder) -> int | None:
    """Clock, in slots, at which the run's last phase starts; None where that is the run's own start."""
    return run.phases[-1].start if len(run.phases) > 1 else None


def check_base(run: RunFolder, settings: RunMerge) -> None:
    """Raise a UserError now if the merge at the end will have no base; needs no checkpoint to exist yet."""
    if settings.method.needs_base and settings.base is None and last_phase_start(run) is None:
        _loaded_base(run)


def base_path(run: RunFolder, settings: RunMerge) -> Path | None:
    """The file or folder of the merge's base; None for a method without one."""
    if not settings.method.needs_base:
        return None
    if settings.base is not None:
        inside = run.path / settings.base
        return inside if inside.exists() else Path(settings.base)
    start = last_phase_start(run)
    if start is None:
        return _loaded_base(run)
    file = checkpoint_at(named_checkpoints(run.path), start)
    if file is None:
        raise UserError(
            f"{run.path}: no checkpoint at {start} tokens, where phase {run.phases[-1].name!r} starts; name the base "
            "of the ties merge (base: FILE)"
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


def _loaded_base(run: RunFolder) -> Path:
    load_path = run.config.get("load_path")
    if not load_path:
        raise UserError(
            f"{run.path}: method=ties merges differences from a base; this run has one phase and started from "
            "nothing, so name the base: the model that training started from (base: FILE)"
        )
    path = Path(str(load_path))
    return newest_in(path) if path.is_dir() and not (path / "config.json").is_file() else path


def _models(run: RunFolder, settings: RunMerge, base: Path | None) -> list[Path]:
    if settings.models:
        return [run.path / name if (run.path / name).exists() else Path(name) for name in settings.models]
    origin = None if base is None else base.resolve()
    # The base itself has no difference to itself: it would only thin out the merge.
    files = [file for file in list_checkpoints(run.path) if file.path.resolve() != origin][-settings.last :]
    if not files:
        raise UserError(
            f"{run.path}: no whole checkpoint to merge; lower save_interval so that there are {settings.last}"
        )
    if len(files) < settings.last:
        log.warning("merge: %s has %d checkpoints where %d were asked for", run.path, len(files), settings.last)
    return [file.path for file in files]


def _asked(settings: RunMerge) -> dict[str, Any]:
    method = settings.method
    return {
        "method": method.method,
        "parameters": method.parameters(),
        "last": settings.last,
        "models": list(settings.models),
        "base": settings.base,
    }


def _is_done(run: RunFolder, out: Path, settings: RunMerge, asked: dict[str, Any]) -> bool:
    """Whether ``out`` holds this merge; older checkpoints may have been deleted since, a newer one undoes it."""
    file = out / RECORD
    if not file.is_file():
        return False
    record = json.loads(file.read_text(encoding="utf-8"))
    if record["settings"] != asked:
        return False
    newest = newest_checkpoint(run.path)
    return bool(settings.models) or newest is None or record["inputs"][-1]["name"] == short_name(newest.path, run)
