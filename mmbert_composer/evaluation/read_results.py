"""The results of models, from the folders that ``mmbert eval run`` wrote."""

from collections.abc import Iterable
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


def as_score(result: Result) -> ScoreRow:
    """A result as a cell of a comparison."""
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
