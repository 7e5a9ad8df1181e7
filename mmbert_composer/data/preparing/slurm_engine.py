"""``--engine slurm``: batch scripts whose array elements run ``mmbert prepare work``, chained, and their submission.

Written into ``DATA/.prepare/slurm/``: one array for what is left to read, one for what is left to pack, then the end.
A task list file holds one line an element: the tasks it works on, one after the other.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.data.atomic_write import write_json, write_text
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.errors import UserError

MAX_ARRAY_SIZE = 1001
"""Slurm's own default: elements of an array, where the cluster does not say otherwise."""


@dataclass(frozen=True)
class SlurmOptions:
    """What the jobs ask of the cluster."""

    partition: str | None = None
    time: str | None = None
    """Limit of an array element, as Slurm takes it: "8:00:00"."""
    memory: str = "4G"
    """Of an array element."""
    max_elements: int | None = None
    """Elements of an array; None: as many as the cluster allows."""
    max_running: int | None = None
    """Elements that may run at the same time."""
    more: tuple[str, ...] = ()
    """More options of sbatch: "--account=x"."""


@dataclass(frozen=True)
class SlurmJob:
    """A script, and what has to end well before it."""

    name: str
    script: Path
    elements: int
    """0 where it is no array."""


def write_jobs(runner: TaskRunner, options: SlurmOptions) -> list[SlurmJob]:
    """Write the scripts for what is left; each has to wait for the one before."""
    folder = runner.folder.slurm.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    most = min(options.max_elements or MAX_ARRAY_SIZE, max_array_size())
    num_route = len(runner.route_names)
    jobs: list[SlurmJob] = []
    route = [number for number, name in enumerate(runner.route_names) if not runner.is_done(name)]
    pack = list(range(num_route, runner.num_tasks))
    if not route:
        pack = [number for number in pack if runner.left(runner.names(number))]
    for name, numbers in (("route", route), ("pack", pack)):
        if not numbers:
            continue
        elements = [numbers[first :: min(most, len(numbers))] for first in range(min(most, len(numbers)))]
        tasks = folder / f"{name}.tasks"
        write_text(tasks, "".join(" ".join(f"--task {number}" for number in row) + "\n" for row in elements))
        line = f'$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {shlex.quote(str(tasks))})'
        command = f"{_mmbert()} prepare work {shlex.quote(str(runner.folder.root.absolute()))} {line}"
        jobs.append(_write(folder, name, command, options, len(elements)))
    command = f"{_mmbert()} prepare finalize {shlex.quote(str(runner.folder.root.absolute()))}"
    jobs.append(_write(folder, "finalize", command, options, 0))
    return jobs


def submit(runner: TaskRunner, jobs: Sequence[SlurmJob]) -> dict[str, str]:
    """Hand the jobs to sbatch, each to start when the one before ended well; names to job ids.

    Raises UserError when there is no sbatch, when it refuses, and when jobs of an earlier submission are still queued.
    """
    if shutil.which("sbatch") is None:
        raise UserError(
            f"no sbatch here: run this where Slurm is; or --dry-run, which writes the scripts to {runner.folder.slurm}"
        )
    ids: dict[str, str] = {}
    for job in jobs:
        command = ["sbatch", "--parsable", "--kill-on-invalid-dep=yes"]
        if ids:
            command.append(f"--dependency=afterok:{list(ids.values())[-1]}")
        ids[job.name] = call_slurm(*command, str(job.script)).strip().partition(";")[0]
        write_json(runner.folder.slurm / "jobs.json", ids)
    return ids


def check_queue(runner: TaskRunner) -> None:
    """Raise UserError when jobs that were submitted before are still in the queue."""
    submitted = runner.folder.slurm / "jobs.json"
    if not submitted.is_file() or shutil.which("squeue") is None:
        return
    ids = re.findall(r"\d+", submitted.read_text(encoding="utf-8"))
    queued = sorted(set(ids) & set(call_slurm("squeue", "--noheader", "--format=%A").split()))
    if queued:
        raise UserError(
            f"jobs {', '.join(queued)} for {runner.folder.root} are in the queue already: wait for them "
            f"(mmbert prepare status {runner.folder.root}), or scancel {' '.join(queued)} first"
        )


def max_array_size() -> int:
    """How many elements an array may have on this cluster."""
    if shutil.which("scontrol") is None:
        return MAX_ARRAY_SIZE
    try:
        config = call_slurm("scontrol", "show", "config")
    except UserError:  # scripts can be written where no cluster answers
        return MAX_ARRAY_SIZE
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", config, re.MULTILINE)
    return max(1, int(found[1])) if found else MAX_ARRAY_SIZE


def call_slurm(*command: str) -> str:
    """What a program of Slurm prints. Raises UserError with what it says when it refuses."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(f"{shlex.join(command)}: {result.stderr.strip() or f'exit code {result.returncode}'}")
    return result.stdout


def _mmbert() -> str:
    """The program by its path: a job's shell need not have the environment activated."""
    return f"{shlex.quote(sys.executable)} -m mmbert_composer.cli.main"


def _write(folder: Path, name: str, command: str, options: SlurmOptions, elements: int) -> SlurmJob:
    log = folder / "logs" / (f"{name}-%A_%a.log" if elements else f"{name}-%A.log")
    lines = [f"--job-name=mmbert-{name}", f"--output={log}", "--cpus-per-task=1", f"--mem={options.memory}"]
    if elements:
        running = f"%{options.max_running}" if options.max_running else ""
        lines.append(f"--array=0-{elements - 1}{running}")
    if options.partition:
        lines.append(f"--partition={options.partition}")
    if options.time:
        lines.append(f"--time={options.time}")
    text = "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH {line}" for line in (*lines, *options.more)),
            "export TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS=1",
            f"exec {command}",
            "",
        ]
    )
    script = folder / f"{name}.sbatch"
    write_text(script, text)
    return SlurmJob(name, script, elements)
