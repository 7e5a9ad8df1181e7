"""A merge as a user asks for it, in a YAML file or on the command line; checked without importing anything heavy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError
from mmbert_composer.export.atomic_folder import refuse_existing
from mmbert_composer.merging.check_merge import check_merge
from mmbert_composer.merging.merge_method import OPTIONS, MergeMethod, option_key

_OPTION_KEYS = {option_key(name): name for name in OPTIONS}
_PATHS = ("run", "base", "out", "held_out")
_KEYS = ("method", *_OPTION_KEYS, "models", *_PATHS, "last", "explain")


@dataclass(frozen=True)
class MergeRequest:
    """What to merge: a list of ``models`` into ``out``, or the ``last`` checkpoints of the run folder ``run``.

    ``explain``: write what the merge did, too. ``held_out``: a folder of prepared data, on whose held-out text the
    models and the merge are measured.
    """

    method: MergeMethod
    models: tuple[Path, ...] = ()
    run: Path | None = None
    base: Path | None = None
    out: Path | None = None
    last: int | None = None
    explain: bool = False
    held_out: Path | None = None

    @staticmethod
    def of(keys: Mapping[str, Any], where: str, folder: Path = Path()) -> "MergeRequest":
        """The request in ``keys``; ``where`` names it in errors, relative paths start at ``folder``.

        Raises UserError for whatever can be known to be wrong before models are looked into.
        """
        for key in keys:
            if key not in _KEYS:
                near = get_close_matches(str(key), _KEYS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(_KEYS)}"
                raise UserError(f"{where}: {key} is no key of a merge: {hint}")
        options = {name: keys[key] for key, name in _OPTION_KEYS.items() if key in keys}
        if isinstance(options.get("weights"), list):
            options["weights"] = tuple(options["weights"])
        method = MergeMethod(keys.get("method", MergeMethod.method), **options)
        paths = {key: folder / Path(str(keys[key])) for key in _PATHS if keys.get(key) is not None}
        models = tuple(folder / Path(str(model)) for model in _list(keys.get("models", ()), where))
        if "run" not in paths and len(models) == 1 and _is_run(models[0]):
            paths["run"], models = models[0], ()
        if ("run" in paths) == bool(models):
            raise UserError(f"{where}: give either models, or one run folder")
        explain = keys.get("explain", False)
        if not isinstance(explain, bool):
            raise UserError(f"{where}: explain={explain!r} must be true or false")
        request = MergeRequest(method, models, last=keys.get("last"), explain=explain, **paths)
        request._check(where)
        return request

    def _check(self, where: str) -> None:
        if self.held_out is not None:
            load_manifest(self.held_out)
        if self.run is not None:
            if self.out is not None:
                refuse_existing(self.out)
            return
        if self.last is not None:
            raise UserError(
                f"{where}: last counts the checkpoints of one run folder; here {len(self.models)} models are given"
            )
        if self.out is None:
            raise UserError(f"{where}: out is missing; name the folder to write")
        check_merge(self.models, self.out, self.method, self.base)


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


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise UserError(f"{where}: models={value!r} must be a list of paths")
    return value


def _is_run(path: Path) -> bool:
    """Whether a folder holds checkpoints; what the files hold is not looked at."""
    return any(path.glob("ep*-rank0.pt")) or any((path / "checkpoints").glob("ep*-rank0.pt"))
