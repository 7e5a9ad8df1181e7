"""The driver: everything is checked, then estimated, then run; what was done before is skipped."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import chain
from mmbert_composer.evaluation.check_as_it_is import check_bitext, check_intrinsic
from mmbert_composer.evaluation.check_fine_tuned import Checked, check_fine_tuned
from mmbert_composer.evaluation.estimate import estimate
from mmbert_composer.evaluation.grid import PROTOCOLS, grid
from mmbert_composer.evaluation.hashes import code_hash, hash_values, model_hash
from mmbert_composer.evaluation.intrinsic.run_intrinsic import run_intrinsic
from mmbert_composer.evaluation.oddities import check_mend
from mmbert_composer.evaluation.result_file import Result, find_result, read_result, write_result
from mmbert_composer.evaluation.retrieval.check_retrieval import check_retrieval
from mmbert_composer.evaluation.retrieval.run_retrieval import run_retrieval
from mmbert_composer.evaluation.run_bitext import run_bitext
from mmbert_composer.evaluation.run_fine_tuned import run_fine_tuned
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import FINE_TUNED_KINDS, Task

Runner = Callable[[Task, Path, Path | None, Settings], Result]
Check = Callable[[Task, Path, Path | None, Settings], Checked]

RUNNERS: Mapping[str, Runner] = {
    **dict.fromkeys(FINE_TUNED_KINDS, run_fine_tuned),
    "retrieval": run_retrieval,
    "bitext": run_bitext,
    "intrinsic": run_intrinsic,
}
"""A kind of task to what runs it: (task, model's folder, data's folder or None for the hub, settings) -> result."""

CHECKS: Mapping[str, Check] = {
    **dict.fromkeys(FINE_TUNED_KINDS, check_fine_tuned),
    "retrieval": check_retrieval,
    "bitext": check_bitext,
    "intrinsic": check_intrinsic,
}
"""A kind of task to what looks at its data and its model before anything is run."""


@dataclass(frozen=True)
class Evaluation:
    """What a run gave: the results in the order of the tasks, and the names of those that were there already."""

    results: tuple[Result, ...]
    skipped: tuple[str, ...]


def run_suite(model: Path, name: str, data: Path | None, settings: Settings) -> Evaluation:
    """Run ``settings.tasks`` on the model in folder ``model`` and write a result for each into ``settings.folder``.

    ``name``: what the model is called in the results. Raises UserError, before anything is run, for whatever any of
    the tasks lacks.
    """
    if settings.protocol not in PROTOCOLS:
        raise UserError(f"--protocol {settings.protocol}: known are {', '.join(PROTOCOLS)}")
    if data is not None and not data.exists():
        raise UserError(f"--data {data}: no such folder")
    check_mend(settings.mend)
    settings = replace(settings, model_hash=model_hash(model))
    _check_folder(settings)
    checked = _check_all(model, data, settings)
    settings = replace(
        settings,
        data_hashes={name: found.data_hash for name, found in checked.items()},
        stage_hashes={name: value for found in checked.values() for name, value in found.stage_hashes.items()},
    )
    wanted = {task.name: _wanted(task, settings) for task in settings.tasks}
    done = {task.name: find_result(settings.folder, wanted[task.name]) for task in settings.tasks}
    left = [task for task in settings.tasks if done[task.name] is None]
    for task in settings.tasks:
        if task not in left:
            settings.say(f"{task.name}: done before, skipped")
    _say_estimate([(task, checked[task.name]) for task in left], model, data, settings)
    results = []
    for task in settings.tasks:
        result = done[task.name]
        if result is None:
            settings.say(f"{task.name}: {left.index(task) + 1} of {len(left)}: {task.description}")
            begun = time.monotonic()
            measured = RUNNERS[task.kind](task, model, data, settings)
            result = replace(
                measured,
                **wanted[task.name],
                suite=task.suite,
                model=name,
                seconds=round(time.monotonic() - begun, 1),
            )
            path = write_result(settings.folder, result)
            settings.say(f"{task.name}: {result.metric} {result.score:.2f}, {result.seconds:.0f} s, {path}")
        results.append(result)
    return Evaluation(tuple(results), tuple(task.name for task in settings.tasks if task not in left))


def _check_all(model: Path, data: Path | None, settings: Settings) -> dict[str, Checked]:
    """Every task's check; what they miss is said together."""
    checked, missing = {}, []
    for task in settings.tasks:
        try:
            if task.kind in (*FINE_TUNED_KINDS, "retrieval"):
                grid(task, settings)
            checked[task.name] = CHECKS[task.kind](task, model, data, settings)
        except UserError as error:
            if str(error) not in missing:
                missing.append(str(error))
    if len(missing) > 1:
        raise UserError("nothing was run:\n" + "\n".join(f"  {line}" for line in missing))
    if missing:
        raise UserError(missing[0])
    return checked


def _check_folder(settings: Settings) -> None:
    """Results of another model of the same name are not mixed with, nor overwritten."""
    for path in sorted(settings.folder.glob("*.json")):
        there = read_result(path).model_hash
        if there != settings.model_hash:
            raise UserError(
                f"{settings.folder}: holds results of another model of this name ({there}, this is "
                f"{settings.model_hash}); give --name, another --out, or delete the folder"
            )


def _wanted(task: Task, settings: Settings) -> dict[str, Any]:
    """What a stored result must be the result of."""
    fine_tuned = task.kind in FINE_TUNED_KINDS
    options: dict[str, Any] = {
        "languages": list(settings.languages) if settings.languages else None,
        "mend": sorted(settings.mend.intersection(task.oddities)),
        "max_length": settings.max_length,
        "precision": settings.precision,
        # The rows themselves: hyper-parameters and columns can change while their code does not.
        "rows": hash_values([asdict(row) for row in (*(chain(task) if fine_tuned else ()), task)]),
    }
    if fine_tuned or task.kind == "retrieval":
        options |= {
            "lrs": list(settings.lrs),
            "epochs": list(settings.epochs),
            "max_train_examples": settings.max_train_examples,
        }
    if task.kind == "tagging":
        options["word_join"] = settings.word_join
    if task.kind == "retrieval":
        options["benchmark_tasks"] = list(settings.benchmark_tasks)
    tuned = fine_tuned or (task.kind == "retrieval" and task.train is not None)
    return {
        "task": task.name,
        "protocol": settings.protocol if tuned else "default",
        "model_hash": settings.model_hash,
        "data_hash": settings.data_hashes[task.name],
        "code_hash": code_hash(task.kind),
        "seeds": tuple(settings.seeds or task.seeds) if tuned else (),
        "settings": options,
    }


def _say_estimate(tasks: Sequence[tuple[Task, Checked]], model: Path, data: Path | None, settings: Settings) -> None:
    """Say how long it may take, where that can be counted."""
    tuned = [pair for pair in tasks if pair[0].kind in FINE_TUNED_KINDS]
    if not tuned:
        return
    settings.say(f"timing a few steps on {settings.device} for an estimate ...")
    seconds = estimate(tuned, model, data, settings)
    for name, value in seconds.items():
        settings.say(f"  {name}: about {_duration(value)}")
    settings.say(f"{len(seconds)} fine-tuned tasks: about {_duration(sum(seconds.values()))}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
