"""A run's folder: whether the run would go on from where it should."""

from pathlib import Path

from mmbert_composer.doctor.finding import Finding, note, ok, problem
from mmbert_composer.errors import UserError
from mmbert_composer.runs.list_runs import list_runs
from mmbert_composer.runs.run_row import RunRow

CHECK = "run"


def check_run(folder: Path, *, deep: bool) -> list[Finding]:
    """The run in ``folder``; ``deep`` reads every byte of its checkpoints."""
    try:
        runs = list_runs(folder, verify=deep)
    except UserError as error:
        return [problem(CHECK, str(error), "name the save_folder of a run")]
    return [finding for run in runs for finding in run_findings(run)]


def run_findings(run: RunRow) -> list[Finding]:
    """State, plan and checkpoints of a run."""
    found: list[Finding] = []
    if run.problem:
        found.append(problem(CHECK, run.problem, "put the plan.json of this run back; without it the run cannot go on"))
    newest = run.newest
    bad = [row for row in run.checkpoints if row.invalid is not None]
    found += [
        note(CHECK, f"{run.folder}: {row.path.name} cannot be used: {row.invalid}", "it is passed over; remove it")
        for row in bad
    ]
    if newest is not None:
        where = f"step {newest.batch:,}" + ("" if newest.token is None else f", {newest.token:,} tokens")
        return [ok(CHECK, f"{run.folder}: {run.state}; newest checkpoint at {where}"), *found]
    if bad:
        mend = "the same command would begin again from nothing: restore a checkpoint from a copy, or name a new folder"
        return [problem(CHECK, f"{run.folder}: none of its {len(bad)} checkpoints can be used", mend), *found]
    return [note(CHECK, f"{run.folder}: {run.state}, no checkpoint yet"), *found]
