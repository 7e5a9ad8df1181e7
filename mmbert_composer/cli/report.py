"""``mmbert report RUN``: the page about a run, made again from its folder."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="The run's save_folder; the run may still be going on.", metavar="RUN")],
) -> None:
    """Write RUN/report.html: languages, schedules, losses and what was merged, on one page."""
    # Here and not above: matplotlib would slow down `mmbert --help`.
    from mmbert_composer.report.build_report import build_report

    typer.echo(f"report: {build_report(run)}")
