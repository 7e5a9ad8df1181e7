"""One arm, trained by the command that a user types, or merged."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from experiments.annealing.arms import Arm
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_models import merge_models

YAMLS = Path(__file__).parent / "yamls"
TRAIN = Path(__file__).parents[2] / "train.py"


def train_arm(
    arm: Arm, seed: int, data: Path, folders: Mapping[str, Path], *, threads: int, overrides: tuple[str, ...]
) -> None:
    """Bring the run of ``arm`` in ``folders[arm.name]`` to its end; what was stopped goes on from its last checkpoint.

    Raises:
        RuntimeError: the training process ended with an error; its output is in ``train.log`` of the folder.
    """
    out = folders[arm.name]
    if arm.merged:
        if not (out / "merge.json").is_file():
            models = [folders[name] for name in arm.merged]
            merge_models(models, out, MergeMethod("ties"), base=folders[arm.start or ""])
        return
    assert arm.yaml is not None, "an arm is trained or merged"
    settings = [f"data.root={data}", f"save_folder={out}", f"seed={seed}", f"data.seed={seed}"]
    if arm.start is not None:
        settings.append(f"load_path={folders[arm.start]}")
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    log = out.with_suffix(".log")
    with log.open("a", encoding="utf-8") as file:
        command = [sys.executable, str(TRAIN), str(YAMLS / arm.yaml), *settings, *overrides]
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment, check=False).returncode
    if code:
        raise RuntimeError(f"{arm.name}, seed {seed}: training ended with exit code {code}; its output is in {log}")
