"""Results as files: ``OUT/<model>/<task>.json``, written whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.errors import UserError

FORMAT = 1


@dataclass(frozen=True)
class LanguageScore:
    """The score of one language, 0 to 100: the mean over the seeds."""

    score: float
    spread: float | None
    """Standard deviation over the seeds; None with one."""
    n: int
    """Examples scored."""


@dataclass(frozen=True)
class Result:
    """What one task gave. A runner fills what it measured; the driver adds who, with which code, and how long."""

    metric: str
    score: float
    """Mean over languages and seeds, 0 to 100 as papers print it."""
    spread: float | None
    """Standard deviation over seeds of the mean over languages; None with one seed."""
    by_language: Mapping[str, LanguageScore]
    seeds: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Other metrics of the same predictions, and what the kind has to tell."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    """What a reader of the score has to know: another protocol, a probe, a part of the data."""
    task: str = ""
    suite: str = ""
    model: str = ""
    model_hash: str = ""
    data_hash: str = ""
    code_hash: str = ""
    protocol: str = "default"
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Options of the run that can change a score."""
    seconds: float = 0.0


def result_path(folder: Path, task: str, protocol: str = "default") -> Path:
    """``<task>.json`` in a model's folder; another protocol than the default has a file of its own."""
    return folder / (f"{task}.json" if protocol == "default" else f"{task}.{protocol}.json")


def write_result(folder: Path, result: Result) -> Path:
    """Write ``result`` into the model's ``folder``; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = result_path(folder, result.task, result.protocol)
    write_json(path, {"format": FORMAT, **asdict(result)})
    return path


def read_result(path: Path) -> Result:
    """Read a result; anything else than a whole result of this format is a ``UserError``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise UserError(f"{path}: format {content.get('format')!r}; this version reads format {FORMAT}")
        known = {item.name for item in fields(Result)}
        values = {key: value for key, value in content.items() if key in known}
        values["by_language"] = {language: LanguageScore(**score) for language, score in content["by_language"].items()}
        values["seeds"] = tuple(content["seeds"])
        return Result(**values)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a result of mmbert eval run ({error}); delete it and run again") from None


def find_result(folder: Path, wanted: Mapping[str, Any]) -> Result | None:
    """The result that was written for exactly this, or None.

    ``wanted``: values of ``task``, ``protocol``, ``model_hash``, ``data_hash``, ``code_hash``, ``settings`` ...
    """
    path = result_path(folder, wanted["task"], wanted.get("protocol", "default"))
    if not path.is_file():
        return None
    result = read_result(path)
    return result if all(getattr(result, key) == value for key, value in wanted.items()) else None
