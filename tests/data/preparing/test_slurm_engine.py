"""The scripts of ``--engine slurm``, run as Slurm would run them, in this process; and what is handed to sbatch."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from mmbert_composer.cli.main import main
from mmbert_composer.data.prepare import claimed, run_job
from mmbert_composer.data.preparing import slurm_engine
from mmbert_composer.data.preparing.local_engine import local_engine
from mmbert_composer.data.preparing.slurm_engine import SlurmJob, SlurmOptions, check_queue, submit, write_jobs
from mmbert_composer.errors import UserError
from tests.conftest import tiny_documents
from tests.data.preparing.conftest import Request, content, many_documents, quiet


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program of a Slurm that may be installed here."""
    monkeypatch.setattr(slurm_engine.shutil, "which", lambda name: None)


@pytest.fixture
def inputs(write_corpus: Callable[..., str]) -> list[str]:
    few = [write_corpus(f"few{number}", tiny_documents(number)) for number in range(5)]
    return [*few, write_corpus("many", many_documents(2_000))]


def write(request, options: SlurmOptions) -> list[SlurmJob]:
    with claimed(request, quiet) as runner:
        assert runner is not None
        return write_jobs(runner, options)


def execute(job: SlurmJob, element: int) -> int:
    """What the script runs as an element of its array."""
    (command,) = [line.removeprefix("exec ") for line in job.script.read_text().splitlines() if line.startswith("exec")]
    expression = re.search(r"\$\(sed -n .* (\S+)\)$", command)
    if expression:
        line = Path(shlex.split(expression[1])[0]).read_text().splitlines()[element]
        command = command[: expression.start()] + line
    _, dash_m, module, *arguments = shlex.split(command)
    assert (dash_m, module) == ("-m", "mmbert_composer.cli.main")
    return main(arguments)


def test_the_scripts_run_task_by_task_give_the_data(inputs: list[str], request_of: Request, tmp_path: Path) -> None:
    whole = run_job(request_of(*inputs, out="whole", range_bytes=10_000), local_engine(1), quiet)
    request = request_of(*inputs, task_bytes=20_000, range_bytes=10_000)
    jobs = write(request, SlurmOptions(max_elements=3))
    assert [(job.name, job.elements) for job in jobs] == [("route", 3), ("pack", 3), ("finalize", 0)]
    assert execute(jobs[1], 0) == 1  # too early
    for element in (2, 0, 1):
        assert execute(jobs[0], element) == 0
    jobs = write(request, SlurmOptions(max_elements=3))
    assert [job.name for job in jobs] == ["pack", "finalize"]
    assert execute(jobs[0], 1) == 0
    assert execute(jobs[1], 0) == 1  # not all is packed
    for element in (0, 1, 2):
        assert execute(jobs[0], element) == 0
    assert execute(jobs[1], 0) == 0
    assert content(tmp_path / "data") == content(whole.root)


def test_what_is_asked_of_the_cluster(inputs: list[str], request_of: Request) -> None:
    options = SlurmOptions("cpu", "8:00:00", "6G", 2, 5, ("--account=me", "--qos=low"))
    route, _, last = write(request_of(*inputs, task_bytes=9_000), options)
    lines = route.script.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    for option in (
        *("--job-name=mmbert-route", "--cpus-per-task=1", "--mem=6G", "--array=0-1%5", "--partition=cpu"),
        *("--time=8:00:00", "--account=me", "--qos=low"),
    ):
        assert f"#SBATCH {option}" in lines
    assert not any("--array" in line for line in last.script.read_text().splitlines())


def test_jobs_wait_for_each_other_and_are_not_submitted_twice(
    inputs: list[str], request_of: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    queue = ""

    def call_slurm(*command: str) -> str:
        calls.append(command)
        submitted = sum(call[0] == "sbatch" for call in calls)
        return {"scontrol": "MaxArraySize   = 4", "squeue": queue, "sbatch": f"{100 + submitted};cluster"}[command[0]]

    monkeypatch.setattr(slurm_engine.shutil, "which", lambda name: name)
    monkeypatch.setattr(slurm_engine, "call_slurm", call_slurm)
    with claimed(request_of(*inputs, task_bytes=2_000), quiet) as runner:
        assert runner is not None
        jobs = write_jobs(runner, SlurmOptions())
        assert [job.elements for job in jobs] == [4, 4, 0]
        assert submit(runner, jobs) == {"route": "101", "pack": "102", "finalize": "103"}
        always = ("sbatch", "--parsable", "--kill-on-invalid-dep=yes")
        assert calls[1:] == [
            (*always, str(jobs[0].script)),
            (*always, "--dependency=afterok:101", str(jobs[1].script)),
            (*always, "--dependency=afterok:102", str(jobs[2].script)),
        ]
        check_queue(runner)
        queue = "77\n102\n102\n103\n"
        with pytest.raises(UserError, match=r"jobs 102, 103 for .* are in the queue already.*scancel 102 103 first"):
            check_queue(runner)


def test_where_no_cluster_answers_its_default_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_engine.shutil, "which", lambda name: name)
    monkeypatch.setattr(slurm_engine, "call_slurm", lambda *command: fail())
    assert slurm_engine.max_array_size() == slurm_engine.MAX_ARRAY_SIZE


def fail() -> str:
    raise UserError("no cluster")


def test_what_slurm_says_when_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"cat {tmp_path}/x: .*No such file"):
        slurm_engine.call_slurm("cat", f"{tmp_path}/x")


def test_without_slurm_the_scripts_can_be_written(inputs: list[str], request_of: Request) -> None:
    with claimed(request_of(*inputs), quiet) as runner:
        assert runner is not None
        jobs = write_jobs(runner, SlurmOptions())
        with pytest.raises(UserError, match=r"no sbatch here: run this where Slurm is; or --dry-run"):
            submit(runner, jobs)
