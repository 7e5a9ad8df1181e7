"""One fine-tuned task: every hyper-parameter point and seed, every language, to one result."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.evaluation.all_tasks import chain, tuned_task
from mmbert_composer.evaluation.data.load_rows import load_rows, task_languages
from mmbert_composer.evaluation.departures import departures
from mmbert_composer.evaluation.grid import grid
from mmbert_composer.evaluation.hashes import code_hash, hash_values
from mmbert_composer.evaluation.heads.all_heads import HEADS
from mmbert_composer.evaluation.oddities import headline
from mmbert_composer.evaluation.predict import predict
from mmbert_composer.evaluation.read_part import Part, read_part
from mmbert_composer.evaluation.result_file import LanguageScore, Result
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters, Task
from mmbert_composer.evaluation.tuned_models import Tuned, resampled, scoring_encoding, tune

ORACLE = "oracle: the best of {n} settings, chosen on the split that is scored"


def run_fine_tuned(task: Task, model: Path, data: Path | None, settings: Settings) -> Result:
    """Tune and score ``task``; parts that an earlier run finished are taken from ``parts/``.

    Other tasks of this run that are scored with the same weights (MLQA beside XQuAD) are scored in passing.
    """
    points = grid(tuned_task(task), settings)
    seeds = settings.seeds or task.seeds
    found = {
        number: [_part(task, model, data, values, settings, seed) for seed in seeds]
        for number, values in enumerate(points)
    }
    metric = headline(task, settings.mend)
    means = {number: statistics.fmean(_mean(part, metric) for part in parts) for number, parts in found.items()}
    best = max(means, key=lambda number: means[number])
    return _result(task, points, best, means, found[best], seeds, metric, settings)


def _part(task: Task, model: Path, data: Path | None, values: Hyperparameters, settings: Settings, seed: int) -> Part:
    """The scores of one point and seed: read, or tuned for and written."""
    path = _part_path(task, values, settings, seed)
    if (part := read_part(path)) is not None:
        return part
    tuned = tune(tuned_task(task), model, data, values, settings, seed)
    same = [other for other in settings.tasks if _shares_weights(other, task, settings, seed)]
    for other in [task, *same]:
        where = _part_path(other, values, settings, seed)
        if other is task or not where.is_file():
            where.parent.mkdir(parents=True, exist_ok=True)
            write_json(where, _score(other, tuned, data, settings, seed))
    part = read_part(path)
    assert part is not None
    return part


def _shares_weights(other: Task, task: Task, settings: Settings, seed: int) -> bool:
    """Whether another task of this run is scored with the weights that ``task`` was tuned to."""
    fine_tuned = other.kind in HEADS and other.name != task.name
    return fine_tuned and tuned_task(other) is tuned_task(task) and seed in (settings.seeds or other.seeds)


def _score(task: Task, tuned: Tuned, data: Path | None, settings: Settings, seed: int) -> Part:
    """Scores of every language by a tuned model."""
    head, encoding = HEADS[task.kind], scoring_encoding(tuned, task)
    languages: dict[str, dict[str, Any]] = {}
    for language in task_languages(task, data, settings):
        rows = load_rows(task, task.test, language, data)
        if task.bootstrap:
            rows = resampled(rows, seed, "test")
        features = head.encode(rows, encoding, train=False)
        kept = predict(tuned.model, head, features, encoding.tokenizer.pad_token_id, settings)
        scores = head.score(rows, features, kept, task, settings, language)
        languages[language] = {"n": len(rows), "scores": scores}
        settings.say(f"  {task.name}: {language} {scores[headline(task, settings.mend)]:.1f}")
    return {"steps": tuned.steps, "languages": languages}


def _part_path(task: Task, values: Hyperparameters, settings: Settings, seed: int) -> Path:
    """Where the scores of one point and seed are: named by all that they depend on."""
    key = hash_values(
        [
            settings.model_hash,
            settings.data_hashes.get(task.name),
            code_hash(task.kind),
            asdict(values),
            seed,
            settings.languages,
            settings.max_train_examples,
            settings.max_length,
            settings.word_join if task.kind == "tagging" else None,
            sorted(settings.mend.intersection(task.oddities)),
            settings.precision,
        ]
    )
    return settings.folder / "parts" / task.name / f"{key}.json"


def _mean(part: Part, metric: str) -> float:
    """The mean over languages."""
    return statistics.fmean(entry["scores"][metric] for entry in part["languages"].values())


def _result(
    task: Task,
    points: Sequence[Hyperparameters],
    best: int,
    means: Mapping[int, float],
    parts: Sequence[Part],
    seeds: Sequence[int],
    metric: str,
    settings: Settings,
) -> Result:
    by_language = {}
    others: dict[str, dict[str, float]] = {}
    for language, first in parts[0]["languages"].items():
        values = [part["languages"][language]["scores"][metric] for part in parts]
        by_language[language] = LanguageScore(statistics.fmean(values), _spread(values), first["n"])
        others[language] = {
            name: statistics.fmean(part["languages"][language]["scores"][name] for part in parts)
            for name in first["scores"]
        }
    extra: dict[str, Any] = {
        "metrics": {
            name: statistics.fmean(_mean(part, name) for part in parts) for name in next(iter(others.values()))
        },
        "metrics_by_language": others,
        "tuned_on": [step.name for step in chain(task)],
        "steps": [part["steps"] for part in parts],
    }
    notes = [*([task.note] if task.note else []), *departures(task, tuned_task(task), settings)]
    if len(points) > 1:
        notes.append(ORACLE.format(n=len(points)))
        extra["grid"] = [
            {"lr": values.lr, "epochs": values.epochs, "score": means[number]} for number, values in enumerate(points)
        ]
    return Result(
        metric=metric,
        score=means[best],
        spread=_spread([_mean(part, metric) for part in parts]),
        by_language=by_language,
        seeds=tuple(seeds),
        extra=extra,
        hyperparameters=asdict(points[best]),
        note="; ".join(notes) or None,
    )


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
