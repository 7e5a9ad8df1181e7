"""All checks in their order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmbert_composer.config import RunConfig
from mmbert_composer.doctor.attention import check_attention
from mmbert_composer.doctor.compiler import check_compiler, find_compiler, has_python_headers
from mmbert_composer.doctor.data import check_data
from mmbert_composer.doctor.finding import Finding, problem
from mmbert_composer.doctor.imports import check_imports
from mmbert_composer.doctor.limits import check_system
from mmbert_composer.doctor.run_folder import check_run
from mmbert_composer.doctor.settings import check_plan, read_settings
from mmbert_composer.doctor.shared_memory import check_shared_memory
from mmbert_composer.doctor.torch_and_gpu import check_torch, read_torch_facts
from mmbert_composer.doctor.versions import check_installation
from mmbert_composer.recipes import recipes_folder


@dataclass(frozen=True)
class Subject:
    """What to look at besides the machine. ``deep``: read every byte; ``fix``: remove what the dead left behind."""

    yaml: Path | None = None
    overrides: Sequence[str] = ()
    data: Path | None = None
    run: Path | None = None
    deep: bool = False
    fix: bool = False


class Check(NamedTuple):
    """A row of the list of checks."""

    name: str
    look: Callable[[Subject, RunConfig | None], list[Finding]]


def _gpu_is_there() -> bool:
    import torch

    return torch.cuda.is_available()


def _compiler(config: RunConfig | None) -> list[Finding]:
    wanted = config.model.get("compile", "auto") if config else "auto"
    return [check_compiler(find_compiler(), has_python_headers(), wanted, has_gpu=_gpu_is_there())]


def _data(subject: Subject, config: RunConfig | None) -> list[Finding]:
    source = config.data.source if config else None
    # A remote's cache holds a part of the data, which training checks as it comes.
    root = subject.data or (source.folder if source and not source.is_remote else None)
    return [] if root is None else [check_data(root, deep=subject.deep)]


CHECKS = (
    Check("versions", lambda subject, config: check_installation((recipes_folder() / "constraints.txt").read_text())),
    Check("imports", lambda subject, config: check_imports()),
    Check("torch and GPU", lambda subject, config: check_torch(read_torch_facts())),
    Check("attention", lambda subject, config: check_attention(*_model(config))),
    Check("torch.compile", lambda subject, config: _compiler(config)),
    Check("shared memory", lambda subject, config: check_shared_memory(fix=subject.fix)),
    Check("system", lambda subject, config: check_system()),
    Check("data", _data),
    Check("settings", lambda subject, config: check_plan(config) if config else []),
    Check("run", lambda subject, config: check_run(subject.run, deep=subject.deep) if subject.run else []),
)
"""In this order; the settings are read before the first, and a run of theirs is what the others look at."""


def examine(subject: Subject) -> Iterator[Finding]:
    """Every finding, as soon as it is there. A check that itself fails is a problem too, and the others go on."""
    config = None
    if subject.yaml is not None:
        config, finding = read_settings(subject.yaml, subject.overrides)
        yield finding
    for check in CHECKS:
        try:
            yield from check.look(subject, config)
        except Exception as error:  # a machine that is broken in a way nobody thought of is what this is for
            yield problem(
                check.name,
                f"this could not be looked at: {type(error).__name__}: {error}",
                "run with --debug and report it",
            )


def _model(config: RunConfig | None) -> tuple[dict[str, object] | None, str | None]:
    return (config.model, config.precision) if config else (None, None)
