"""``mmbert doctor``: this machine, this installation, data and a run, each finding with what to do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    yaml: Annotated[Path | None, typer.Argument(metavar="[YAML]", help="A run's settings.")] = None,
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Set any key.")] = None,
    data: Annotated[Path | None, typer.Option(help="Prepared data; that of the YAML without it.")] = None,
    run: Annotated[Path | None, typer.Option(help="A run's folder, or a folder of runs.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte of the data and of the checkpoints.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Remove the shared memory that dead processes of yours left behind.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look for what would stop a run or make it slow: versions, GPU, attention, disk, limits, data, checkpoints.

    Every note and problem says what to do. The exit code is 1 if there is a problem.
    """
    from mmbert_composer.doctor.examine import Subject, examine

    findings = []
    for finding in examine(Subject(yaml, overrides or [], data, run, deep, fix)):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{finding.status:<8}{finding.check}: {finding.what}")
            if finding.mend:
                typer.echo(f"{'':8}  -> {finding.mend}")
    counts = {status: sum(f.status == status for f in findings) for status in ("problem", "note", "ok")}
    if as_json:
        print(json.dumps({**counts, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        typer.echo(f"{counts['problem']} problems, {counts['note']} notes, {counts['ok']} ok")
    if counts["problem"]:
        raise typer.Exit(1)
