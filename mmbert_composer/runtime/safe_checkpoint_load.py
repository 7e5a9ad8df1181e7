"""Composer reads checkpoints without unpickling freely.

Fault: Composer 0.32.1 calls ``torch.load(weights_only=False)`` (utils/checkpoint.py:111): a crafted file runs
its command. Mend: it reads through :func:`mmbert_composer.checkpoints.read_checkpoint`, which allows a short
list of types. Can go: when a Composer release carries the fix (mosaicml/composer#3937).
"""

from pathlib import Path
from typing import Any

from composer.utils import checkpoint

from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint


def install() -> None:
    """Make every ``Trainer(load_path=...)`` read safely."""
    checkpoint._torch_load_with_validation = _load


def _load(checkpoint_filepath: Path | str, map_location: str) -> Any:
    # not mapped: the optimizer's state must not depend on a file that may be pruned
    return read_checkpoint(Path(checkpoint_filepath), mmap=False)
