"""One task of several models by language."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from mmbert_composer.data.languages import language_name
from mmbert_composer.errors import UserError, did_you_mean
from mmbert_composer.evaluation.result_file import Result

MISSING = "–"


def language_table(results: Sequence[Result], task: str) -> Table:
    """A row a language, a column a model; a dash where a model was not scored on a language.

    Raises UserError for a task that none of the results is of.
    """
    chosen = [result for result in results if result.task == task]
    if not chosen:
        raise UserError(f"no result of a task {task!r}: {did_you_mean(task, {result.task for result in results})}")
    table = Table(title=f"{task} ({chosen[0].metric})", title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("language")
    table.add_column("")
    for result in chosen:
        name = result.model if result.protocol == "default" else f"{result.model} ({result.protocol})"
        table.add_column(name, justify="right")
    for language in sorted({language for result in chosen for language in result.by_language}):
        cells = [_cell(result, language) for result in chosen]
        table.add_row(language, _name(language), *cells)
    table.add_section()
    table.add_row("mean", "", *(f"{result.score:.2f}" for result in chosen))
    return table


def _cell(result: Result, language: str) -> str:
    score = result.by_language.get(language)
    if score is None:
        return MISSING
    return f"{score.score:.2f}" + ("" if score.spread is None else f" ±{score.spread:.2f}")


def _name(language: str) -> str:
    """Its English name, where the code has one; tasks also name languages in full."""
    name = language_name(language) if len(language.partition("_")[0]) <= 3 else ""
    return "" if name == language else name
