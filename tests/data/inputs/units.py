"""Units of single files, as ``find`` makes them."""

from pathlib import Path

from mmbert_composer.data.inputs.files import find_files
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import KINDS
from mmbert_composer.data.inputs.unit import InputUnit


def file_unit(path: Path) -> InputUnit:
    """The one unit of a file, whose kind is its suffix (``text`` for .txt)."""
    kind = next((kind for kind in KINDS if f".{kind}" in path.suffixes), "text")
    if kind == "text":
        (found,) = KINDS[kind].find(str(path), ReadOptions()).units
        return found
    (found,) = find_files(kind, str(path)).units
    return found
