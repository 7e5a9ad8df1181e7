import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mmbert_composer.data.prepare import claimed, run_job
from mmbert_composer.data.preparing import task_runner
from mmbert_composer.data.preparing.job_status import describe_job
from mmbert_composer.data.preparing.local_engine import local_engine
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.errors import UserError
from tests.conftest import tiny_documents
from tests.data.preparing.conftest import Request, content, quiet

HERE = local_engine(1)


def ignore(num_bytes: int, num_tokens: int) -> None:
    """Hears nothing."""


@pytest.fixture
def runner(corpus: str, request_of: Request) -> TaskRunner:
    with claimed(request_of(corpus), quiet) as planned:
        assert planned is not None
        return planned


def test_a_task_that_another_process_has_is_left_to_it(runner: TaskRunner) -> None:
    lock = runner.folder.locks / "route--00000"
    with lock.open("w") as file:
        file.write("process 7 on elsewhere")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        assert runner.is_running("route/00000")
        with pytest.raises(UserError, match=r"another process is at work on route/00000 \(process 7 on elsewhere\)"):
            runner.run("route/00000", ignore)
        assert list(describe_job(runner.folder.root))[1].startswith("  read input: 0 done, 1 running, 0 failed, 0 left")
    runner.run("route/00000", ignore)
    assert runner.is_done("route/00000")


def test_what_a_dead_process_left_is_wiped_and_what_is_done_is_kept(runner: TaskRunner) -> None:
    stale = runner.folder.temporary / "route--00000.elsewhere-77"
    stale.mkdir()
    (stale / "data").write_text("half of it")
    runner.run("route/00000", ignore)
    assert list(runner.folder.temporary.iterdir()) == []
    before = runner.result("route/00000").stat().st_mtime_ns
    runner.run("route/00000", ignore)
    assert runner.result("route/00000").stat().st_mtime_ns == before


def test_of_two_processes_without_locks_the_second_changes_nothing(
    runner: TaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are at work on one task; the other publishes while this one reads."""
    route = task_runner.route

    def slow(*arguments: object) -> None:
        monkeypatch.setattr(task_runner, "route", route)
        monkeypatch.setattr(task_runner.os, "getpid", lambda: 99)
        other = TaskRunner(runner.folder)
        other._work("route/00000", other.folder.temporary / "of the other", ignore)
        task_runner.publish_tree(other.folder.temporary / "of the other", other.result("route/00000"))
        route(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(task_runner, "route", slow)
    runner.run("route/00000", ignore)
    assert runner.is_done("route/00000")
    assert list(runner.folder.temporary.iterdir()) == []


def test_input_that_changed_after_it_was_planned_is_refused(runner: TaskRunner, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"text": "another one"}\n')
    with pytest.raises(UserError, match=r"corpus.jsonl changed after it was planned: put it back, or plan again"):
        runner.run("route/00000", ignore)
    assert "changed after it was planned" in (runner.failure("route/00000") or "")
    lines = list(describe_job(runner.folder.root))
    assert lines[1].startswith("  read input: 0 done, 0 running, 1 failed, 0 left")
    assert "route/00000 failed: " in lines[2]


def test_damaged_input_costs_its_own_task_and_can_be_mended(
    write_corpus: Callable[..., str], request_of: Request, tmp_path: Path
) -> None:
    specs = [write_corpus(name, tiny_documents()[first::3]) for first, name in enumerate("abc")]
    whole = run_job(request_of(*specs, out="whole", task_bytes=5_000), HERE, quiet)
    good = (tmp_path / "b.jsonl").read_bytes()
    (tmp_path / "b.jsonl").write_bytes(good + b"\xff\n\xff\n")
    said: list[str] = []
    with pytest.raises(UserError, match=r"2 of \d+ input lines are bad .*b.jsonl:50: invalid"):
        run_job(request_of(*specs, task_bytes=5_000), HERE, quiet)
    spills = {path.name for path in (tmp_path / "data/.prepare/spill").iterdir()}
    (tmp_path / "b.jsonl").write_bytes(good)
    manifest = run_job(request_of(*specs, task_bytes=5_000), HERE, said.append)
    assert content(manifest.root) == content(whole.root)
    assert len(spills) == 3
    assert "the plan is another one now (input" in said[0]
    assert f"{manifest.root}: 2 of 3 tasks that read input were done already; skipped" in said


def test_another_plan_is_refused_as_soon_as_something_was_read(
    runner: TaskRunner, corpus: str, request_of: Request
) -> None:
    with claimed(request_of(corpus, dedup=True), quiet):
        pass  # nothing was read so far
    runner = TaskRunner(runner.folder)
    assert runner.plan.settings.dedup
    runner.run("route/00000", ignore)
    with (
        pytest.raises(UserError, match=r"is being prepared in another way: dedup was True, is False.*nothing was"),
        claimed(request_of(corpus), quiet),
    ):
        pass


def test_a_plan_of_another_version_is_refused(runner: TaskRunner, corpus: str, request_of: Request) -> None:
    plan = json.loads(runner.folder.plan.read_text())
    runner.folder.plan.write_text(json.dumps({**plan, "format": 3}))
    with pytest.raises(UserError, match="another version of mmbert"):
        run_job(request_of(corpus), HERE, quiet)
    runner.folder.plan.write_text(json.dumps({**plan, "tokenizers_version": "0.1"}))
    TaskRunner(runner.folder).run("route/00000", ignore)
    with pytest.raises(UserError, match=r"tokenizers_version was 0.1, is "):
        run_job(request_of(corpus), HERE, quiet)


@pytest.fixture
def finished(corpus: str, request_of: Request) -> Path:
    return run_job(request_of(corpus), HERE, quiet).root


def test_finished_data_says_so(finished: Path) -> None:
    assert list(describe_job(finished)) == [f"{finished}: finished, 1 part"]
