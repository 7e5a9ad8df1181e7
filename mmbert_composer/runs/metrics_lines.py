"""The lines of ``metrics.jsonl``, those that a killed process left torn included."""

import json
from collections.abc import Iterable, Iterator
from typing import Any


def parsed_lines(texts: Iterable[str]) -> Iterator[dict[str, Any] | None]:
    """Each text as an object that has a batch; None where it cannot be read.

    A process killed while writing leaves half a line, and the next process may have written its first
    line right behind it: that one is found again.
    """
    for text in texts:
        if not text.strip():
            continue
        line = _parse(text)
        if line is None:
            yield None
            line = _parse(text[max(text.rfind('{"event"'), text.rfind('{"batch"'), 0) :])
        if line is not None:
            yield line


def _parse(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("batch"), int) else None
