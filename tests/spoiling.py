"""Spoiling a YAML, data, a run or a checkpoint as it happens to users: what tests/test_bad_inputs.py arranges with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from tests.conftest import run_settings


class Place:
    """A folder to spoil things in, with the settings of a run on good data."""

    def __init__(self, root: Path, data: Path, finished: Path) -> None:
        self.root, self.data, self.finished = root, data, finished
        self.settings = run_settings(data, root / "run")
        self.settings["curriculum"]["phases"] = self.settings["curriculum"]["phases"][:2]
        self.settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
        self.out = root / "out"

    def yaml(self, text: str | bytes | None = None, name: str = "run.yaml") -> Path:
        """A YAML with that text, or with the settings."""
        path = self.root / name
        text = OmegaConf.to_yaml(OmegaConf.create(self.settings)) if text is None else text
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def file(self, name: str, content: str | bytes = "x") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def copy(self, what: Path, name: str) -> Path:
        return Path(shutil.copytree(what, self.root / name))

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Every file with its size and time, here and in what the tests share; not what `prepare` can go on with."""
        roots = (self.root, self.data, self.finished)
        unfinished = self.root / "new"
        files = [path for root in roots for path in root.rglob("*") if path.is_file()]
        files = [path for path in files if not path.is_relative_to(unfinished)]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


Arrange = Callable[[Place], list[object]]


class Row(NamedTuple):
    """``arrange`` spoils something and gives the arguments of train or mmbert; the error must match ``message``."""

    name: str
    arrange: Arrange
    message: str


def override(*overrides: str, **sections: Any) -> Arrange:
    """A good YAML and these overrides; {root} is the place's folder."""

    def arrange(place: Place) -> list[object]:
        place.settings |= sections
        return [place.yaml(), *(text.replace("{root}", str(place.root)) for text in overrides)]

    return arrange


def text(content: str | bytes) -> Arrange:
    """A YAML with this text."""
    return lambda place: [place.yaml(content)]


def spoiled_data(spoil: Callable[[Path], object], *command: str) -> Arrange:
    """Train on, or run ``command`` on, a spoiled copy of the data."""

    def arrange(place: Place) -> list[object]:
        copy = place.copy(place.data, "data")
        spoil(copy)
        return [*command, copy] if command else [place.yaml(), f"data.root={copy}"]

    return arrange


def spoiled_run(spoil: Callable[[Path], object], *overrides: str) -> Arrange:
    """Go on with a spoiled copy of the finished run."""

    def arrange(place: Place) -> list[object]:
        copy = place.copy(place.finished, "run")
        spoil(copy)
        return [place.yaml(), *overrides]

    return arrange


def load(path: str, how: str, *overrides: str) -> Arrange:
    """Start from ``path``: {run} is the finished run, {root} the place's folder."""

    def arrange(place: Place) -> list[object]:
        full = path.format(run=place.finished, root=place.root, data=place.data)
        return [place.yaml(), f"load_path={full}", f"load_as={how}", *overrides]

    return arrange


def crafted(craft: Callable[[Path, Path], None], how: str) -> Arrange:
    """Start from a checkpoint that ``craft`` wrote; its payload would write a file beside it."""

    def arrange(place: Place) -> list[object]:
        path = place.root / "ep1-ba1-rank0.pt"
        craft(path, place.root / "touched")
        return [place.yaml(), f"load_path={path}", f"load_as={how}"]

    return arrange


def command(*arguments: str) -> Arrange:
    """A command; {root}, {data} and {run} are the places."""
    return lambda place: [text.format(root=place.root, data=place.data, run=place.finished) for text in arguments]


def after(prepare: Callable[[Place], object], arrange: Arrange) -> Arrange:
    """``prepare`` something first."""

    def both(place: Place) -> list[object]:
        prepare(place)
        return arrange(place)

    return both


def edit_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return edit


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    return lambda folder: (
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode()) and None
    )


def flipped(name: str) -> Callable[[Path], None]:
    """A byte of a file of the folder is another one."""

    def spoil(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        flip(content)
        (folder / name).write_bytes(content)

    return spoil


def every_checkpoint(change: Callable[[bytearray], object]) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        for file in named_checkpoints(run):
            content = bytearray(file.path.read_bytes())
            change(content)
            file.path.write_bytes(content)

    return spoil


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def cut(content: bytearray) -> None:
    del content[-50:]
