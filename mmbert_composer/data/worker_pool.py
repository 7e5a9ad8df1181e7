"""Runs streams in worker processes, one at a time each; a worker that dies costs its stream one more try."""

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

from mmbert_composer.data.prepare_plan import WorkFolder

TRIES = 2


class WorkerPool:
    """Up to ``workers`` processes on ``streams``, in the order given.

    Processes of our own rather than multiprocessing's: those import the caller's main module again, and their pool
    waits for ever (or fails everything) when one of them is killed. One failed stream does not stop the others.
    """

    def __init__(self, folder: WorkFolder, workers: int, on_bytes: Callable[[int], None]) -> None:
        self.folder = folder
        self.workers = workers
        self._on_bytes = on_bytes
        self._selector = selectors.DefaultSelector()
        self._logs = folder.state / "logs"

    def run(self, streams: Sequence[str]) -> dict[str, str]:
        """Work on every stream; the failed ones with why."""
        self._logs.mkdir(exist_ok=True)
        waiting, deaths, failed = deque(streams), Counter[str](), dict[str, str]()
        at_work: dict[int, _Worker] = {}
        try:
            while waiting or at_work:
                while waiting and len(at_work) < self.workers:
                    number = next(n for n in range(self.workers) if n not in at_work)
                    worker = _Worker(self.folder, self._logs / f"worker-{number}.log")
                    at_work[number] = worker
                    self._selector.register(worker.answers, selectors.EVENT_READ, number)
                    worker.start(waiting.popleft())
                for key, _ in self._selector.select():
                    number = cast(int, key.data)
                    worker = at_work[number]
                    ended = worker.read_answers(self._on_bytes, failed, waiting)
                    if not ended:
                        continue
                    self._selector.unregister(worker.answers)
                    del at_work[number]
                    stream, why = worker.close()
                    if stream is not None:
                        deaths[stream] += 1
                        if deaths[stream] < TRIES:
                            waiting.append(stream)
                        else:
                            failed[stream] = why
        finally:
            for worker in at_work.values():
                worker.kill()
            self._selector.close()
        return failed


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
        self.stream: str | None = None
        self._rest = b""
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mmbert_composer.data.prepare_worker", str(folder.root.resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
            )
        self.answers = cast(IO[bytes], self.process.stdout)
        self._orders = cast(IO[bytes], self.process.stdin)

    def start(self, stream: str) -> None:
        self.stream = stream
        with suppress(BrokenPipeError):  # It died: its answers end too, which is where that is dealt with.
            self._orders.write(f"{stream}\n".encode())
            self._orders.flush()

    def read_answers(self, on_bytes: Callable[[int], None], failed: dict[str, str], waiting: deque[str]) -> bool:
        """Handle what has come; True when nothing more will."""
        data = os.read(self.answers.fileno(), 1 << 16)
        if not data:
            return True
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            answer: dict[str, Any] = json.loads(line)
            if "bytes" in answer:
                on_bytes(answer["bytes"])
                continue
            if "failed" in answer:
                failed[answer["failed"]] = answer["error"]
            self.stream = None
            if waiting:
                self.start(waiting.popleft())
            else:
                self._orders.close()
        return False

    def close(self) -> tuple[str | None, str]:
        """The stream it died over, if it did, and how."""
        code = self.process.wait()
        self._close_pipes()
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return self.stream, f"its worker process was {how} twice, out of memory perhaps (log: {self.log})"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        self.answers.close()
        with suppress(BrokenPipeError):  # an order that it died over may still be in the buffer
            self._orders.close()
