"""A worker process of ``prepare``: ``python -m mmbert_composer.data.preparing.worker DATA``.

Reads names of tasks from standard input, one a line, and answers with one JSON object a line: ``{"bytes": n,
"tokens": m}`` while at work, then ``{"done": task}`` or ``{"failed": task, "error": text, "full": bool}``.
"""

import ctypes
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from mmbert_composer.data.preparing.disk_space import DiskFullError
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.errors import UserError

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Work until standard input ends."""
    die_with_parent(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends us
    # Libraries print to standard output at will: they get standard error, and the answers a channel of their own.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")

    runner: TaskRunner | None = None
    for line in sys.stdin:
        name = line.rstrip("\n")
        try:
            runner = runner or TaskRunner(WorkFolder(Path(sys.argv[1])))
            runner.run(name, lambda num_bytes, num_tokens: answer(bytes=num_bytes, tokens=num_tokens))
        except UserError as error:
            answer(failed=name, error=str(error), full=isinstance(error, DiskFullError))
        except Exception as error:
            traceback.print_exc()
            answer(failed=name, error=f"{type(error).__name__}: {error}", full=False)
        else:
            answer(done=name)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends, where it can: half a task is of use to nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the process that started this worker is gone")


if __name__ == "__main__":
    main()
