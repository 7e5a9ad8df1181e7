"""Scores of one hyper-parameter point and seed, kept so that a stopped evaluation goes on where it was."""

import json
from pathlib import Path
from typing import Any, TypedDict


class Part(TypedDict):
    """``languages``: each to ``{"n": rows, "scores": {metric: 0 to 100}}``."""

    steps: int
    languages: dict[str, dict[str, Any]]


def read_part(path: Path) -> Part | None:
    """The part in ``path``; None where there is none. Parts are written whole or not at all."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
