"""The checkpoints of a run folder: which there are, which are whole, which is the newest.

*Whole* is a file with a readable directory and a state.model in it, of the size that its record says. *Unharmed* is a
whole one whose bytes have the record's hash: to know that takes a second a GB, so it is asked of those that are used.
"""

import logging
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mmbert_composer.checkpoints.checkpoint_record import why_damaged, why_other_size
from mmbert_composer.errors import UserError

log = logging.getLogger(__name__)

_NAME = re.compile(r"ep(?P<epoch>\d+)-ba(?P<batch>\d+)-rank0\.pt")


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint by its name ``ep{epoch}-ba{batch}-rank0.pt``: epoch is the segment's number, batch the step."""

    path: Path
    epoch: int
    batch: int


def is_checkpoint_name(name: str) -> bool:
    """Whether a file of this name is taken for a checkpoint."""
    return _NAME.fullmatch(name) is not None


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


def why_invalid(path: str | Path, *, content: bool = False) -> str | None:
    """Why the file is no whole checkpoint, or None if it is.

    Its size must be that of its record, its directory readable and state.model in it. ``content`` compares the hash of
    its bytes as well, where it has a record.
    """
    path = Path(path)
    try:
        different = why_other_size(path)
        if different:
            return different
        with zipfile.ZipFile(path) as archive:
            size = path.stat().st_size
            beyond = [entry for entry in archive.infolist() if entry.header_offset + entry.compress_size > size]
    except (zipfile.BadZipFile, OSError) as error:
        return f"incomplete: {error}"
    except UserError as error:
        return str(error)
    if beyond:
        return f"incomplete: {beyond[0].filename} lies beyond its end"
    # Here and not above: torch takes seconds, and to list names or to compare records none of it is needed.
    from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint

    try:
        read_checkpoint(path)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    return why_damaged(path) if content else None


def skipped_checkpoints(folder: str | Path, *, content: bool = False) -> dict[Path, str]:
    """Files that look like checkpoints and are not whole (or are harmed, with ``content``), with the reason."""
    reasons = {file.path: why_invalid(file.path, content=content) for file in named_checkpoints(folder)}
    return {path: reason for path, reason in reasons.items() if reason is not None}


def list_checkpoints(folder: str | Path) -> list[CheckpointFile]:
    """The whole checkpoints of a run folder (or of a folder of .pt files), oldest first, one for each step."""
    # The same step can be saved twice, before and after its segment's end: the later one wins.
    return list({file.batch: file for file in _valid(named_checkpoints(folder), content=False)}.values())


def newest_checkpoint(folder: str | Path) -> CheckpointFile | None:
    """The newest unharmed checkpoint, or None; looks only as far back as it must."""
    return next(_valid(reversed(named_checkpoints(folder)), content=True), None)


def last_unharmed(files: Sequence[CheckpointFile], count: int) -> list[CheckpointFile]:
    """The last ``count`` unharmed ones of ``files``, in their order; fewer if there are no more."""
    return list(islice(_valid(reversed(files), content=True), count))[::-1]


def _valid(files: Iterable[CheckpointFile], *, content: bool) -> Iterator[CheckpointFile]:
    for file in files:
        reason = why_invalid(file.path, content=content)
        if reason is None:
            yield file
        else:
            log.warning("skipped checkpoint %s: %s", file.path, reason)
