"""Free disk against what a run will write."""

import shutil
from pathlib import Path

from mmbert_composer.config import RunConfig
from mmbert_composer.doctor.finding import Finding, note, ok, problem
from mmbert_composer.planning import RunPlan
from mmbert_composer.planning.kept_checkpoints import kept_checkpoints

CHECK = "disk"
SPARE = 1.1
"""Of what is needed: metrics, sample log and the merge take a few per cent more."""


def check_disk(config: RunConfig, plan: RunPlan) -> Finding:
    """Whether a run's checkpoints fit where they go."""
    if plan.checkpoint_bytes is None or config.save_folder is None:
        return note(CHECK, "what the run needs is unknown", "set data.root (the vocabulary) and save_folder")
    folder = existing_parent(Path(config.save_folder))
    count = kept_checkpoints(config, plan)
    return compare(folder, shutil.disk_usage(folder).free, plan.checkpoint_bytes, count)


def compare(folder: Path, free: int, checkpoint: int, count: int) -> Finding:
    """``free`` bytes below ``folder`` against ``count`` checkpoints of ``checkpoint`` bytes."""
    need = count * checkpoint * SPARE
    what = f"{count} checkpoints of {_gb(checkpoint)} need {_gb(need)}, {folder} has {_gb(free)} free"
    if free >= need:
        return ok(CHECK, what)
    return problem(
        CHECK,
        what,
        "set save_num_checkpoints_to_keep (phases' ends are kept besides), a longer save_interval, or a save_folder "
        "on a larger disk",
    )


def existing_parent(folder: Path) -> Path:
    """The nearest folder above that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _gb(size: float) -> str:
    return f"{size / 1e9:,.2f} GB"
