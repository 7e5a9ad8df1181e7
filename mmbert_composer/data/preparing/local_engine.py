"""Runs tasks on this machine: in this process, or in workers, where one that dies costs its task one more try."""

import json
import os
import selectors
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from mmbert_composer.data.preparing.disk_space import DiskFullError
from mmbert_composer.data.preparing.route_task import OnProgress
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.errors import UserError

TRIES = 2


def local_engine(workers: int) -> Callable[[TaskRunner, Sequence[str], OnProgress], dict[str, str]]:
    """An engine of ``workers`` processes; 1 works in this process."""
    if workers < 1:
        raise UserError(f"workers={workers} must be at least 1")
    if workers == 1:
        return run_here
    return lambda runner, names, on_progress: WorkerPool(runner, workers, on_progress).run(names)


def run_here(runner: TaskRunner, names: Sequence[str], on_progress: OnProgress) -> dict[str, str]:
    """Work on every task in this process; the failed ones with why. DiskFullError ends it at once."""
    failed: dict[str, str] = {}
    for name in names:
        try:
            runner.run(name, on_progress)
        except DiskFullError:
            raise
        except UserError as error:
            failed[name] = str(error)
    return failed


class WorkerPool:
    """Up to ``workers`` processes on tasks, in the order given.

    Processes of our own rather than multiprocessing's: those import the caller's main module again, and their pool
    waits for ever (or fails everything) when one of them is killed. One failed task does not stop the others.
    """

    def __init__(self, runner: TaskRunner, workers: int, on_progress: OnProgress) -> None:
        self.runner = runner
        self.workers = workers
        self._on_progress = on_progress
        self._selector = selectors.DefaultSelector()
        self._waiting = deque[str]()
        self._failed: dict[str, str] = {}

    def run(self, names: Sequence[str]) -> dict[str, str]:
        """Work on every task; the failed ones with why. Raises DiskFullError when one of them found the disk full."""
        logs = self.runner.folder.logs
        logs.mkdir(exist_ok=True)
        self._waiting.extend(names)
        deaths = Counter[str]()
        at_work: dict[int, _Worker] = {}
        try:
            while self._waiting or at_work:
                while self._waiting and len(at_work) < self.workers:
                    number = next(n for n in range(self.workers) if n not in at_work)
                    worker = _Worker(self.runner.folder, logs / f"worker-{number}.log")
                    at_work[number] = worker
                    self._selector.register(worker.answers, selectors.EVENT_READ, number)
                    worker.start(self._waiting.popleft())
                for key, _ in self._selector.select():
                    number = cast(int, key.data)
                    worker = at_work[number]
                    if not worker.ended(self._handle):
                        continue
                    self._selector.unregister(worker.answers)
                    del at_work[number]
                    self._bury(worker, deaths)
        finally:
            for worker in at_work.values():
                worker.kill()
            self._selector.close()
        return self._failed

    def _handle(self, worker: "_Worker", answer: dict[str, Any]) -> None:
        if "bytes" in answer:
            self._on_progress(answer["bytes"], answer["tokens"])
            return
        if "failed" in answer:
            if answer["full"]:
                raise DiskFullError(answer["error"])
            self._failed[answer["failed"]] = answer["error"]
        if self._waiting:
            worker.start(self._waiting.popleft())
        else:
            worker.finish()

    def _bury(self, worker: "_Worker", deaths: Counter[str]) -> None:
        name, how = worker.close()
        if name is None:
            return
        deaths[name] += 1
        if deaths[name] < TRIES:
            self._waiting.append(name)
            return
        why = f"its worker process was {how} {TRIES} times, out of memory perhaps (log: {worker.log})"
        self._failed[name] = why
        self.runner.record_failure(name, why)


class _Worker:
    def __init__(self, folder: WorkFolder, log: Path) -> None:
        environment = {
            **os.environ,
            # One process a core: threads of the tokenizer and of numpy beside them only cost.
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
            # The package may be on the path of this process alone.
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        self.log = log
        self.task: str | None = None
        self._rest = b""
        command = [sys.executable, "-m", "mmbert_composer.data.preparing.worker", str(folder.root.resolve())]
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
            )
        self.answers = cast(IO[bytes], self.process.stdout)
        self._orders = cast(IO[bytes], self.process.stdin)

    def start(self, task: str) -> None:
        self.task = task
        with suppress(BrokenPipeError):  # It died: its answers end too, which is where that is dealt with.
            self._orders.write(f"{task}\n".encode())
            self._orders.flush()

    def finish(self) -> None:
        """Nothing more is to do."""
        self.task = None
        self._orders.close()

    def ended(self, handle: Any) -> bool:
        """Handle what has come; True when nothing more will."""
        data = os.read(self.answers.fileno(), 1 << 16)
        if not data:
            return True
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            handle(self, json.loads(line))
        return False

    def close(self) -> tuple[str | None, str]:
        """The task it died over, if it did, and how."""
        code = self.process.wait()
        self._close_pipes()
        return self.task, f"killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        self.answers.close()
        with suppress(BrokenPipeError):  # an order that it died over may still be in the buffer
            self._orders.close()
