"""A fixture: a small model in the form of mmBERT's, as transformers saves it; named in ``pytest_plugins`` by tests."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def save_hf(tmp_path: Path, tiny_model: Callable[..., Any], gemma_like: Path) -> Callable[..., Path]:
    """A function of (name, tokenizer, config overrides) that saves a model of 448 rows; its tokenizer has 416."""

    def save(name: str = "hf", tokenizer: Path = gemma_like, **overrides: Any) -> Path:
        folder = tmp_path / name
        values = {"vocab_size": 448, "global_rope_theta": 160_000.0, "local_rope_theta": 40_000.0}
        tiny_model(0, **{**values, **overrides}).save_pretrained(folder)
        shutil.copytree(tokenizer, folder, dirs_exist_ok=True)
        return folder

    return save


def edit_json(file: Path, **changes: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
