"""A merge as a user asks for it, in a YAML file or on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.errors import UserError
from mmbert_composer.merging.finish_run import merge_run
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_models import Merged, merge_models
from mmbert_composer.merging.run_merge import RunMerge

_METHOD_KEYS = ("method", "weights", "decay", "density", "lambda")
_KEYS = (*_METHOD_KEYS, "models", "run", "base", "out", "last")


@dataclass(frozen=True)
class MergeRequest:
    """What to merge: a list of ``models`` into ``out``, or the ``last`` checkpoints of the run folder ``run``."""

    method: MergeMethod
    models: tuple[Path, ...] = ()
    run: Path | None = None
    base: Path | None = None
    out: Path | None = None
    last: int | None = None

    @staticmethod
    def of(keys: Mapping[str, Any], where: str, folder: Path = Path()) -> "MergeRequest":
        """The request in ``keys``; ``where`` names it in errors, relative paths start at ``folder``."""
        for key in keys:
            if key not in _KEYS:
                near = get_close_matches(str(key), _KEYS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(_KEYS)}"
                raise UserError(f"{where}: {key} is no key of a merge: {hint}")
        numbers = {"lam" if key == "lambda" else key: keys[key] for key in _METHOD_KEYS if key in keys}
        if "weights" in numbers:
            numbers["weights"] = tuple(float(weight) for weight in numbers["weights"])
        for key in ("decay", "density", "lam"):
            if key in numbers and not isinstance(numbers[key], int | float):
                raise UserError(f"{where}: {key}={numbers[key]!r} must be a number")
        models = tuple(folder / Path(model) for model in keys.get("models", ()))
        run = folder / Path(keys["run"]) if "run" in keys else None
        if run is None and len(models) == 1 and named_checkpoints(models[0]):
            run, models = models[0], ()
        if (run is None) == (not models):
            raise UserError(f"{where}: give either models, or one run folder")
        if run is None and "last" in keys:
            raise UserError(
                f"{where}: last counts the checkpoints of one run folder; here {len(models)} models are given"
            )
        if run is None and "out" not in keys:
            raise UserError(f"{where}: out is missing; name the folder to write")
        paths = {key: folder / Path(keys[key]) for key in ("base", "out") if keys.get(key) is not None}
        return MergeRequest(MergeMethod(**numbers), models, run, last=keys.get("last"), **paths)


def read_merge_yaml(file: Path) -> MergeRequest:
    """The request in a YAML file; its relative paths start at the file's folder."""
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    try:
        keys = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    except YAMLError as error:
        raise UserError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(keys, dict):
        raise UserError(f"{file}: must be a mapping with keys such as method, models and out")
    return MergeRequest.of({str(key): value for key, value in keys.items()}, str(file), file.parent)


def run_request(request: MergeRequest) -> Merged | None:
    """Merge as asked; None if a run's merge is there already."""
    if request.run is None:
        assert request.out is not None, "a list of models has an output"
        return merge_models(request.models, request.out, request.method, base=request.base)
    if request.out is not None and request.out.exists():
        raise UserError(f"{request.out}: exists already; choose another output folder or remove it")
    last = RunMerge.last if request.last is None else request.last
    base = None if request.base is None else str(request.base)
    return merge_run(request.run, RunMerge(request.method, last=last, base=base), out=request.out)
