"""A worker process of ``prepare``: ``python -m mmbert_composer.data.prepare_worker DATA``.

Reads names of streams from standard input, one a line, and answers with one JSON object a line: ``{"bytes": n}`` while
at work, then ``{"done": stream}`` or ``{"failed": stream, "error": text}``.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from mmbert_composer.data.prepare_plan import WorkFolder
from mmbert_composer.data.stream_task import StreamTask
from mmbert_composer.errors import UserError


def main() -> None:
    """Work until standard input ends."""
    # Libraries print to standard output at will: they get standard error, and the answers a channel of their own.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")

    task: StreamTask | None = None
    for line in sys.stdin:
        stream = line.rstrip("\n")
        try:
            task = task or StreamTask(WorkFolder(Path(sys.argv[1])))
            task.run(stream, lambda count: answer(bytes=count))
        except UserError as error:
            answer(failed=stream, error=str(error))
        except Exception as error:
            traceback.print_exc()
            answer(failed=stream, error=f"{type(error).__name__}: {error}")
        else:
            answer(done=stream)


if __name__ == "__main__":
    main()
