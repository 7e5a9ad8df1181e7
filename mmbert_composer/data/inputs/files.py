"""The files that a GLOB stands for."""

import glob
from pathlib import Path

from mmbert_composer.data.inputs.input_kind import Found
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError


def find_files(kind: str, where: str) -> Found:
    """The files that match ``where``, each once, sorted by path. Raises UserError when there is none."""
    pattern = str(Path(where).expanduser()) if where else ""
    found = [pattern] if Path(pattern).is_file() else glob.glob(pattern, recursive=True)
    files = sorted({Path(name).resolve() for name in found if Path(name).is_file()})
    if files:
        return Found(tuple(InputUnit(kind, str(path), path.stat().st_size, file_identity(path)) for path in files))
    if pattern and Path(pattern).is_dir():
        raise UserError(f"input '{kind}:{where}': {pattern} is a folder: name the files in it, as in {kind}:{where}/*")
    raise UserError(f"input '{kind}:{where}': no file matches {pattern!r}")


def file_identity(path: Path) -> str:
    """Size and modification time."""
    stat = path.stat()
    return f"{stat.st_size} bytes, mtime_ns {stat.st_mtime_ns}"
