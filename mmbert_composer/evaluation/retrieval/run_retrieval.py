"""One benchmark of mteb: after the MS MARCO stage, or as a probe on the model as it is."""

import json
import statistics
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.evaluation.departures import departures
from mmbert_composer.evaluation.grid import grid
from mmbert_composer.evaluation.hashes import code_hash, hash_values
from mmbert_composer.evaluation.result_file import Result
from mmbert_composer.evaluation.retrieval.benchmark_tasks import benchmark_tasks, is_whole
from mmbert_composer.evaluation.retrieval.packages import load_datasets, load_mteb
from mmbert_composer.evaluation.retrieval.train_embedder import STAGE, load_embedder, train_embedder
from mmbert_composer.evaluation.retrieval.triplets import load_triplets
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters, Task

LEFT_OUT = ("InstructionReranking",)
"""NOTE(repro): mteb's Multilingual v2 has this ninth type today; mmBERT's table has eight."""


def run_retrieval(task: Task, model: Path, data: Path | None, settings: Settings) -> Result:
    """Embed with the tuned model, or with the model as it is where the task trains nothing, and score every task.

    Scores of single benchmark tasks are kept, so that a stopped benchmark goes on with the next one.
    """
    tasks = benchmark_tasks(task, data, settings)
    points = grid(task, settings) if task.train is not None else grid(task, settings)[:1]
    (seed, *_) = settings.seeds or task.seeds
    found = []
    for values in points:
        folder, stage = _embedder(task, model, data, values, settings, seed)
        scores = {each.metadata.name: _score(each, folder, task, values, settings) for each in tasks}
        types = {each.metadata.name: str(each.metadata.type) for each in tasks}
        found.append((values, scores, by_type(scores, types), stage))
    means = [_headline(task, scores, kinds) for _, scores, kinds, _ in found]
    best = max(range(len(points)), key=lambda number: means[number])
    values, scores, kinds, stage = found[best]
    notes = [*([task.note] if task.note else []), *departures(task, task, settings)]
    if not is_whole(task, tasks):
        notes.append(f"{len(tasks)} tasks of {task.benchmark}: not the benchmark's score")
    extra: dict[str, Any] = {"by_task": scores, "by_type": kinds, "benchmark": task.benchmark, "stage": stage}
    if len(points) > 1:
        notes.append(f"oracle: the best of {len(points)} learning rates, chosen on the benchmark itself")
        extra["grid"] = [{"lr": point.lr, "score": mean} for point, mean in zip(points, means, strict=True)]
    return Result(
        metric=task.metric,
        score=means[best],
        spread=None,
        by_language={},
        seeds=(seed,),
        extra=extra,
        hyperparameters=asdict(values),
        note="; ".join(notes) or None,
    )


def by_type(scores: Mapping[str, float], types: Mapping[str, str]) -> dict[str, float]:
    """The mean of each type of task: what mmBERT's tables average, and not the tasks."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for name, score in scores.items():
        grouped[types[name]].append(score)
    return {kind: statistics.fmean(values) for kind, values in sorted(grouped.items())}


def _headline(task: Task, scores: Mapping[str, float], kinds: Mapping[str, float]) -> float:
    if task.metric == "mean_of_tasks":
        return statistics.fmean(scores.values())
    counted: Sequence[float] = [score for kind, score in kinds.items() if kind not in LEFT_OUT]
    return statistics.fmean(counted or list(kinds.values()))


def _embedder(
    task: Task, model: Path, data: Path | None, values: Hyperparameters, settings: Settings, seed: int
) -> tuple[Path, dict[str, Any]]:
    """The folder that embeds, and what its tuning gave; tuned models are kept in ``stages/``."""
    if task.train is None:
        return model, {}
    key = hash_values(
        [
            settings.model_hash,
            settings.stage_hashes.get(task.hub),
            code_hash(task.kind),
            asdict(values),
            seed,
            settings.max_train_examples,
            settings.precision,
        ]
    )
    folder = settings.folder / "stages" / f"msmarco-{key}"
    if not folder.is_dir():
        rows, _ = load_triplets(task, data)
        train_embedder(model, rows, values, settings, seed, folder)
    return folder, json.loads((folder / STAGE).read_text())


def _score(each: Any, folder: Path, task: Task, values: Hyperparameters, settings: Settings) -> float:
    """The main score of one task of the benchmark, 0 to 100: read, or measured and written."""
    key = hash_values(
        [
            settings.model_hash,
            folder.name if task.train is not None else None,
            settings.data_hashes.get(task.name),
            code_hash(task.kind),
            values.max_length,
        ]
    )
    path = settings.folder / "parts" / task.name / f"{each.metadata.name}-{key}.json"
    if not path.is_file():
        embedder = load_embedder(folder, settings, values.max_length)
        load_datasets()
        with warnings.catch_warnings():
            # It uses names that sentence-transformers and itself have renamed, and advises newer tasks.
            warnings.filterwarnings("ignore", module=r"mteb\.")
            done = load_mteb().evaluate(
                embedder,
                [each],
                cache=None,
                co2_tracker=False,
                show_progress_bar=False,
                encode_kwargs={"batch_size": 64},
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"score": 100 * float(done.task_results[0].get_score())})
    score = json.loads(path.read_text())["score"]
    settings.say(f"  {task.name}: {each.metadata.name} {score:.1f}")
    return score
