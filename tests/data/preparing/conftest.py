"""Small jobs, and what is in the folders that they leave."""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from streaming.base.format.mds.reader import MDSReader

from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_inputs
from mmbert_composer.data.prepare import PrepareRequest
from mmbert_composer.data.preparing.job_plan import Settings
from tests.conftest import tiny_documents

BLOCK = 64
Request = Callable[..., PrepareRequest]


@pytest.fixture
def write_corpus(tmp_path: Path) -> Callable[..., str]:
    """Writes documents as jsonl and gives the SPEC."""

    def write(name: str, documents: list[dict[str, Any]]) -> str:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(document) + "\n" for document in documents))
        return f"jsonl:{path}"

    return write


@pytest.fixture
def corpus(write_corpus: Callable[..., str]) -> str:
    """145 documents of six languages."""
    return write_corpus("corpus", tiny_documents())


def many_documents(count: int, language: str = "eng", first: int = 0) -> list[dict[str, str]]:
    """So many short documents of one stream that it is cut into ranges, every tenth one twice."""
    made = [{"text": f"number {n} of {first + count}", "language": language} for n in range(first, first + count)]
    return [*made, *made[::10]]


@pytest.fixture
def request_of(tiny_data: Path, tmp_path: Path) -> Request:
    """A request with blocks of 64 tokens, for the data folder ``out`` in the test's own."""

    def make(*inputs: str, out: str = "data", append: bool = False, task_bytes: int | None = None, **settings: Any):
        options = ReadOptions(**settings.pop("options", {}))
        return PrepareRequest(
            parse_inputs(inputs, options),
            tiny_data / "tokenizer",
            tmp_path / out,
            Settings(**{"block_size": BLOCK, **settings}),
            append,
            task_bytes,
        )

    return make


def quiet(line: str) -> None:
    """Says nothing."""


def content(data: Path) -> dict[str, bytes]:
    """Every file of a data folder but our state."""
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in sorted(data.rglob("*"))
        if path.is_file() and ".prepare" not in path.parts
    }


def sequences(folder: Path) -> list[tuple[int, ...]]:
    """The sequences of a stream's blocks, in order."""
    found = []
    for shard in json.loads((folder / "index.json").read_text())["shards"]:
        reader = MDSReader.from_json(str(folder.parent), folder.name, shard)
        for block in (reader[index] for index in range(shard["samples"])):
            found += [tuple(block["input_ids"][start:end].tolist()) for start, end in pairwise(block["cu_seqlens"])]
    return found


class Killed(BaseException):
    """Stands for the end of a process."""


@contextmanager
def killed_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let ``calls`` calls that change the disk pass; from then on each raises, so that nothing can be tidied up."""
    left = calls

    def counted(call: Callable[..., Any], counts: Callable[..., bool] = lambda *a, **k: True) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            if counts(*arguments, **more):
                left -= 1
                if left < 0:
                    raise Killed
            return call(*arguments, **more)

        return wrapper

    def writes(file: Any, mode: str = "r", *_: Any, **__: Any) -> bool:
        return mode[0] in "wa"

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "mkdir", "rmdir", "fsync"):
            patch.setattr(os, name, counted(getattr(os, name)))
        patch.setattr(io, "open", counted(io.open, writes))
        yield
