"""``mmbert runs ls DIR``: what runs there are, how far they are, and which checkpoints can be used."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mmbert_composer.runs.list_runs import list_runs
from mmbert_composer.runs.runs_table import checkpoints_table, runs_table

app = typer.Typer(no_args_is_help=True)


@app.callback()
def runs() -> None:
    """Runs and their checkpoints."""


@app.command()
def ls(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's save_folder, or a folder of runs.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte and compare it with its hash: seconds a checkpoint.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List runs: state, phase, tokens, last step, checkpoints, and what was made of them.

    For one run also its checkpoints, each with step, tokens, phase, size and whether it can be used. Nothing is
    changed; the runs may be going on.
    """
    found = list_runs(folder, verify=verify)
    if as_json:
        print(json.dumps([run.to_json() for run in found], indent=2))
        return
    console = Console()
    # In a pipe or a file a row stays on one line.
    console = console if console.is_terminal else Console(width=200)
    console.print(runs_table(found))
    if len(found) == 1:
        if found[0].checkpoints:
            console.print()
            console.print(checkpoints_table(found[0]))
    else:
        for run in found:
            for row in run.checkpoints:
                if row.invalid is not None:
                    console.print(f"{run.name}: {row.path.name} cannot be used: {row.invalid}", soft_wrap=True)
    for run in found:
        if run.problem:
            console.print(f"{run.name}: {run.problem}", soft_wrap=True)
