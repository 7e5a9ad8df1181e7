"""Reading a YAML: ``extends``, paths, overrides. The result is plain dicts and lists."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mmbert_composer.errors import UserError

PATH_KEYS = ("save_folder", "load_path", "data.root", "data.cache", "data.counts", "callbacks.huggingface_export.out")
"""Keys that hold a path, besides ``languages: FILE`` in a mixture."""


def load_yaml(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A run's settings from a file, the files it extends, and ``key=value`` overrides.

    Paths in a file are relative to that file, in overrides to the current folder. Later wins: a file over
    what it extends, overrides over all. Dicts merge, lists are replaced, phases merge by name; a source
    set to null and a phase whose duration is null are removed, so an index in an override counts what is left.

    Raises:
        UserError: a file that is missing or no YAML, a cycle of ``extends``, a malformed override.
    """
    merged = _without_removed(_load(Path(path), ()))
    config = OmegaConf.create(merged)
    assert isinstance(config, DictConfig)
    for override in overrides:
        _override(config, override)
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        key = f"{error.full_key}: " if getattr(error, "full_key", None) else ""
        raise UserError(
            f"{path}: {key}{str(error).splitlines()[0]}; ${{...}} is another key, as ${{model.hidden_size}}, "
            f"or an environment variable, as ${{oc.env:NAME}}"
        ) from error
    assert isinstance(plain, dict)
    return _without_removed({str(key): value for key, value in plain.items()})


def _load(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in above:
        chain = " -> ".join(file.name for file in (*above, path))
        raise UserError(f"{above[0]}: extends goes in a circle: {chain}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        by = f" (extended by {above[-1]})" if above else ""
        raise UserError(f"{path}: cannot be read{by}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a YAML file: it is no text in UTF-8 ({error.reason})") from error
    try:
        own = OmegaConf.to_container(OmegaConf.create(text)) if text.strip() else {}
    except AssertionError:
        own = text.split()[0]  # OmegaConf's way of saying that the file is one number
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        tabs = " (YAML is indented by spaces, not by tabs)" if "\n\t" in text else ""
        raise UserError(f"{path}: not a YAML file: {' '.join(str(error).split())}{tabs}") from error
    if not isinstance(own, dict):
        raise UserError(f"{path}: holds {own!r}, expected keys such as data: and curriculum:")
    extends = own.pop("extends", None) or []
    if not isinstance(extends, str | list) or not all(isinstance(base, str) for base in extends):
        raise UserError(f"{path}: extends: {extends!r} must be a file, or a list of files")
    own = _absolute_paths({str(key): value for key, value in own.items()}, path.parent)
    merged: dict[str, Any] = {}
    for base in [extends] if isinstance(extends, str) else extends:
        merged = _merge(merged, _load(path.parent / base, (*above, path)))
    return _merge(merged, own)


def _merge(base: Any, over: Any, key: str = "") -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        merged = dict(base)
        for name, value in over.items():
            merged[name] = _merge(base[name], value, f"{key}.{name}") if name in base else value
        return merged
    if key == ".curriculum.phases" and isinstance(base, list) and isinstance(over, list):
        rows = {row.get("name"): row for row in base if isinstance(row, dict)}
        for row in over:
            name = row.get("name") if isinstance(row, dict) else None
            rows[name] = _merge(rows[name], row, "") if name in rows else row
        return list(rows.values())
    return over


def _absolute_paths(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    for key in PATH_KEYS:
        *parents, last = key.split(".")
        node: Any = config
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict) and isinstance(node.get(last), str):
            node[last] = _absolute(node[last], folder)
    curriculum = config.get("curriculum")
    phases = curriculum.get("phases") if isinstance(curriculum, dict) else None
    for phase in phases if isinstance(phases, list) else []:
        mixture = phase.get("mixture") if isinstance(phase, dict) else None
        for source in mixture.values() if isinstance(mixture, dict) else []:
            if isinstance(source, dict) and isinstance(source.get("languages"), str):
                source["languages"] = _absolute(source["languages"], folder)
    return config


def _absolute(value: str, folder: Path) -> str:
    if "://" in value or "${" in value:
        return value
    return str((folder / Path(value).expanduser()).resolve())


def _override(config: DictConfig, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(
            f"override {override!r} is not of the form key=value, for example curriculum.phases.0.mask_ratio=0.2"
        )
    try:
        # OmegaConf's reading of YAML takes 1e-3 for the number it is
        value = OmegaConf.to_container(OmegaConf.create(f"value: {text}"))["value"]  # type: ignore[call-overload,index]
    except (yaml.YAMLError, OmegaConfBaseException, TypeError, KeyError) as error:
        raise UserError(f"override {override!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    if isinstance(value, str) and (key in PATH_KEYS or key.endswith(".languages")):
        value = _absolute(value, Path.cwd())
    try:
        OmegaConf.update(config, key, value, merge=True, force_add=True)
    except (OmegaConfBaseException, AttributeError, ValueError, TypeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"override {override!r}: {key} cannot be set ({reason})") from error


def _without_removed(config: dict[str, Any]) -> dict[str, Any]:
    curriculum = config.get("curriculum")
    if isinstance(curriculum, Mapping) and isinstance(curriculum.get("phases"), list):
        phases = []
        for phase in curriculum["phases"]:
            if isinstance(phase, dict):
                if "duration" in phase and phase["duration"] is None:
                    continue
                if isinstance(phase.get("mixture"), dict):
                    kept = {source: row for source, row in phase["mixture"].items() if row is not None}
                    phase = {**phase, "mixture": kept}
            phases.append(phase)
        config["curriculum"] = {**curriculum, "phases": phases}
    return config
