"""The results of models, from the folders that ``mmbert eval run`` wrote."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.result_file import Result, read_result
from mmbert_composer.evaluation.score_row import ScoreRow


def read_results(folders: Iterable[Path]) -> list[Result]:
    """Every result in ``folders``: a model's own (``OUT/<model>``), or one of several models (``OUT``).

    Raises UserError for a folder without results, and for a file that is none.
    """
    results = []
    for folder in folders:
        files = sorted(folder.glob("*.json")) or sorted(folder.glob("*/*.json"))
        if not files:
            what = "no such folder" if not folder.is_dir() else "no results in it"
            raise UserError(f"{folder}: {what}; `mmbert eval run MODEL --out {folder}` writes them")
        results += [read_result(path) for path in files]
    return results


BENCHMARKS = {"MTEB(eng, v2)": "mteb_eng_v2", "MTEB(Multilingual, v2)": "mteb_multilingual_v2", "CoIR": "coir"}
"""A benchmark to the suite under which its published scores stand."""


def as_scores(result: Result) -> list[ScoreRow]:
    """A result as cells of a comparison: one; of a benchmark one for each type of task, or of CoIR for each task."""
    suite = BENCHMARKS.get(str(result.extra.get("benchmark")))
    if suite is None:
        return [_score(result)]
    parts = result.extra["by_task" if suite == "coir" else "by_type"]
    metric = "ndcg_at_10" if suite == "coir" else "main_score"
    protocol = "MS MARCO tuning" if result.extra.get("stage") else "as it is"
    return [
        replace(_score(result), suite=suite, task=part, score=score, metric=metric, protocol=protocol, languages=None)
        for part, score in parts.items()
    ]


def _score(result: Result) -> ScoreRow:
    return ScoreRow(
        model=result.model,
        suite=result.suite,
        task=result.task,
        metric=result.metric,
        score=result.score,
        protocol=result.protocol,
        spread=result.spread,
        languages=len(result.by_language) or None,
        note=result.note,
    )
