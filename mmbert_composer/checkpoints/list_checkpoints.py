"""The checkpoints of a run folder: which there are, which are whole, which is the newest."""

import logging
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.errors import UserError

log = logging.getLogger(__name__)

_NAME = re.compile(r"ep(?P<epoch>\d+)-ba(?P<batch>\d+)-rank0\.pt")


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint by its name ``ep{epoch}-ba{batch}-rank0.pt``: epoch is the segment's number, batch the step."""

    path: Path
    epoch: int
    batch: int


def checkpoints_folder(folder: str | Path) -> Path:
    """Where the checkpoints of a run are: ``<run>/checkpoints``, or the folder itself in a plain Composer run."""
    inner = Path(folder) / "checkpoints"
    return inner if inner.is_dir() else Path(folder)


def named_checkpoints(folder: str | Path) -> list[CheckpointFile]:
    """Every file named like a checkpoint, oldest step first, not looked into."""
    files = []
    for path in checkpoints_folder(folder).glob("ep*.pt"):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            files.append(CheckpointFile(path, int(match["epoch"]), int(match["batch"])))
    return sorted(files, key=lambda file: (file.batch, file.epoch))


def why_invalid(path: str | Path) -> str | None:
    """Why the file is no whole checkpoint, or None if it is: its directory must be readable and hold state.model."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = path.stat().st_size
            beyond = [entry for entry in archive.infolist() if entry.header_offset + entry.compress_size > size]
    except (zipfile.BadZipFile, OSError) as error:
        return f"incomplete: {error}"
    if beyond:
        return f"incomplete: {beyond[0].filename} lies beyond its end"
    try:
        read_checkpoint(path)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def skipped_checkpoints(folder: str | Path) -> dict[Path, str]:
    """Files that look like checkpoints and are not whole, with the reason."""
    reasons = {file.path: why_invalid(file.path) for file in named_checkpoints(folder)}
    return {path: reason for path, reason in reasons.items() if reason is not None}


def list_checkpoints(folder: str | Path) -> list[CheckpointFile]:
    """The whole checkpoints of a run folder (or of a folder of .pt files), oldest first, one for each step."""
    # The same step can be saved twice, before and after its segment's end: the later one wins.
    return list({file.batch: file for file in _whole(named_checkpoints(folder))}.values())


def newest_checkpoint(folder: str | Path) -> CheckpointFile | None:
    """The newest whole checkpoint, or None; looks only as far back as it must."""
    return next(_whole(reversed(named_checkpoints(folder))), None)


def _whole(files: Iterable[CheckpointFile]) -> Iterator[CheckpointFile]:
    for file in files:
        reason = why_invalid(file.path)
        if reason is None:
            yield file
        else:
            log.warning("skipped checkpoint %s: %s", file.path, reason)
