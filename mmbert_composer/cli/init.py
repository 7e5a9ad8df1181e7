"""``mmbert init DIR``: the recipes, to read and to change."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from mmbert_composer.errors import UserError
from mmbert_composer.recipes import recipes_folder


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")]) -> None:
    """Copy the YAMLs and train.py that the package carries into DIR."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not empty; nothing was written. Name a new folder")
    source = recipes_folder()
    shutil.copytree(source / "yamls", folder, dirs_exist_ok=True)
    shutil.copy(source / "train.py", folder / "train.py")
    for path in sorted(folder.rglob("*.yaml")):
        print(path)
    print(f"next: mmbert plan {folder}/real-text.yaml data.root=DATA, then composer {folder}/train.py with the same")
