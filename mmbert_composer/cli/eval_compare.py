"""``mmbert eval compare``: models and the published scores side by side."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def compare(
    results: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RESULTS...", help="Folders of results: OUT/MODEL, or OUT with several models in it."),
    ] = None,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", help="These suites alone; of several, give it several times.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published/--no-published", help="With the published scores of the same suites.")
    ] = True,
    by_language: Annotated[
        str | None, typer.Option(help="One task, with a row for each language instead.", metavar="TASK")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write a CSV with a row for each score.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page.")] = None,
) -> None:
    """Show the scores of models side by side; without RESULTS the published ones.

    A score that is not there is a dash, and a mean is there where every score is. What was measured otherwise than
    the first score of its column (protocol, metric, languages) carries the number of a footnote.
    """
    from mmbert_composer.data.atomic_write import write_text
    from mmbert_composer.evaluation.comparison import compare_scores
    from mmbert_composer.evaluation.language_comparison import language_table
    from mmbert_composer.evaluation.read_results import as_scores, read_results
    from mmbert_composer.evaluation.select_scores import select_scores
    from mmbert_composer.evaluation.show_comparison import (
        comparison_csv,
        comparison_html,
        footnote_lines,
        text_table,
    )

    found = read_results(results or [])
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    if by_language is not None:
        console.print(language_table(found, by_language))
        return
    tables = compare_scores(select_scores([row for result in found for row in as_scores(result)], suite, published))
    for table in tables:
        console.print(text_table(table))
        for line in footnote_lines(table):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        console.print()
    if csv is not None:
        write_text(csv, comparison_csv(tables))
    if html is not None:
        write_text(html, comparison_html(tables, "Models side by side"))
