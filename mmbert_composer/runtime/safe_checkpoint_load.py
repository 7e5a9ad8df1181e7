"""Composer reads checkpoints without unpickling freely.

Fault: Composer 0.32.1 calls ``torch.load(weights_only=False)`` (utils/checkpoint.py:111): a crafted file runs
its command. It also unpacks tar archives where their names lead (utils/checkpoint.py:775), and reads the pickled
metadata of sharded folders (torch.distributed.checkpoint). Mend: it reads through
:func:`mmbert_composer.checkpoints.read_checkpoint`, which allows a short list of types; the other two are refused.
Can go: when a Composer release carries the fix (mosaicml/composer#3937) and refuses tar archives.
"""

from pathlib import Path
from typing import Any, NoReturn

from composer.utils import checkpoint

from mmbert_composer.checkpoints.checkpoint_form import CONVERT
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.errors import UserError

_download = checkpoint.download_checkpoint


def install() -> None:
    """Make every ``Trainer(load_path=...)`` read safely."""
    checkpoint._torch_load_with_validation = _load
    checkpoint.download_checkpoint = _download_unpacked
    checkpoint.load_sharded_checkpoint = _refuse_sharded


def _load(checkpoint_filepath: Path | str, map_location: str) -> Any:
    # not mapped: the optimizer's state must not depend on a file that may be pruned
    return read_checkpoint(Path(checkpoint_filepath), mmap=False)


def _download_unpacked(path: str, *arguments: Any, **options: Any) -> Any:
    if checkpoint.is_tar(path) or checkpoint.is_compressed_pt(path):
        raise UserError(f"load_path {path}: refused, an archive; unpacking it could write anywhere. {CONVERT}")
    return _download(path, *arguments, **options)


def _refuse_sharded(source_path: str, *arguments: Any, **options: Any) -> NoReturn:
    raise UserError(
        f"load_path {source_path}: refused, a sharded checkpoint (FSDP) holds pickles that could run code. {CONVERT}"
    )
