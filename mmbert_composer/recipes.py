"""The YAMLs, train.py and constraints.txt that travel with the package."""

from pathlib import Path

import mmbert_composer


def recipes_folder() -> Path:
    """The folder that holds them: inside the wheel, or the root of a source checkout."""
    package = Path(mmbert_composer.__file__).parent
    inside = package / "recipes_data"
    return inside if inside.is_dir() else package.parent
