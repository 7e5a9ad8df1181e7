"""Files and folders that are there whole or not at all, also after a power cut."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to a temporary file beside ``path``, flush it to the disk and rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk: nothing half written stays
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_json(path: Path, content: Any, *, indent: int | None = 1) -> None:
    """Write ``content`` as JSON in the way of ``write_text``; ``indent`` None keeps a large one on one line."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=indent) + "\n")


def publish_folder(temporary: Path, final: Path) -> None:
    """Flush a finished folder's files to the disk and rename it to ``final``, in the place of an older try."""
    for file in temporary.iterdir():
        sync(file)
    sync(temporary)
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        shutil.rmtree(final)
    temporary.rename(final)
    sync(final.parent)


def publish_tree(temporary: Path, final: Path) -> None:
    """Flush a finished folder, and what is in its folders, to the disk and rename it to ``final``.

    Where another process has published the same first, this one's goes.
    """
    for path in temporary.rglob("*"):
        sync(path)
    sync(temporary)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(temporary)
    sync(final.parent)


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries so that a rename in it survives."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
