"""How far a job is: tasks done, running, failed and left, by stage."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.data.preparing.disk_space import size
from mmbert_composer.data.preparing.job_plan import load_plan
from mmbert_composer.data.preparing.task_lock import is_locked
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.data.preparing.work_folder import WorkFolder

NAMED_FAILURES = 5


@dataclass(frozen=True)
class Stage:
    """Tasks of one kind."""

    name: str
    done: int
    running: int
    failed: dict[str, str]
    """Task to why; not those that are running again."""
    left: int
    """Neither done, running nor failed."""
    bytes_left: int
    """Of those that are not done."""


def describe_job(data: Path) -> Iterator[str]:
    """Lines for people. Raises UserError when ``data`` was never planned."""
    folder = WorkFolder(data)
    parts = folder.finished_parts()
    if parts and (not folder.plan.is_file() or load_plan(folder.plan).part in parts):
        yield f"{data}: finished, {len(parts)} part{'s' if len(parts) > 1 else ''}"
        return
    runner = TaskRunner(folder)
    by_whom = "; a `run` is at work" if is_locked(folder.lock) else ""
    yield f"{data}: part {runner.plan.part} is being prepared{by_whom}"
    for stage in job_status(runner):
        yield (
            f"  {stage.name}: {stage.done:,} done, {stage.running:,} running, {len(stage.failed):,} failed, "
            f"{stage.left:,} left ({size(stage.bytes_left)})"
        )
        for task, why in list(stage.failed.items())[:NAMED_FAILURES]:
            yield f"    {task} failed: {why}"
    if folder.input_failed.is_file():
        yield f"  {json.loads(folder.input_failed.read_text(encoding='utf-8'))['error']}"


def job_status(runner: TaskRunner) -> list[Stage]:
    """The stages in order; packing is not known before all input was read."""
    stages = [_stage(runner, "read input", runner.route_names)]
    if stages[0].done == len(runner.route_names):
        stages.append(_stage(runner, "pack streams", list(runner.units)))
    return stages


def _stage(runner: TaskRunner, name: str, tasks: Sequence[str]) -> Stage:
    todo = runner.left(tasks)
    running = [task for task in todo if runner.is_running(task)]
    failed = {task: why for task in todo if task not in running and (why := runner.failure(task))}
    left = len(todo) - len(running) - len(failed)
    return Stage(name, len(tasks) - len(todo), len(running), failed, left, sum(map(runner.bytes, todo)))
