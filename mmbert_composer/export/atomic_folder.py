"""A folder that appears whole under its name or not at all."""

import errno
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmbert_composer.data.atomic_write import sync
from mmbert_composer.errors import UserError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_folder(out: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """A new folder beside ``out`` to write into; it takes the name ``out`` when the block ends without an error.

    An existing ``out`` is refused, or with ``replace`` removed once the new folder is complete. A full disk is a
    UserError, and what was written goes. A killed process leaves ``.{name}.partial-*``, which the next call for the
    same name removes: one process at a time may write it.
    """
    out = Path(out)
    if not replace:
        refuse_existing(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_partial(out)
    temporary = _partial(out)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                sync(file)
        if out.exists():
            old = _partial(out)
            os.rename(out, old)
            os.rename(temporary, out)
            shutil.rmtree(old)
        else:
            os.rename(temporary, out)
        sync(out.parent)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise UserError(f"{out}: {error.strerror}; nothing was left there. Make room and try again") from error
        raise


def refuse_existing(out: Path) -> None:
    """Raise a UserError if there is anything at ``out``."""
    if out.exists():
        raise UserError(f"{out}: exists already; choose another output folder or remove it")


def remove_partial(out: str | Path) -> None:
    """Remove what killed attempts at writing ``out`` have left beside it."""
    out = Path(out)
    for leftover in out.parent.glob(f".{glob.escape(out.name)}.partial-*"):
        shutil.rmtree(leftover)


def _partial(out: Path) -> Path:
    return out.parent / f".{out.name}.partial-{uuid.uuid4().hex[:12]}"
