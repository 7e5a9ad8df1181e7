"""A stream cut into ranges of hashes: nothing is lost, and nobody but the plan decides how it comes out."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from xxhash import xxh64_intdigest

from mmbert_composer.data.manifest import Manifest
from mmbert_composer.data.prepare import claimed, finish, run_job
from mmbert_composer.data.preparing.local_engine import local_engine
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.data.tokenizer import load_tokenizer
from tests.conftest import tiny_documents
from tests.data.preparing.conftest import Request, content, many_documents, quiet, sequences

HERE = local_engine(1)


@pytest.fixture
def both(write_corpus: Callable[..., str]) -> list[str]:
    return [write_corpus("many", many_documents(3_000)), write_corpus("few", tiny_documents())]


def texts_of(manifest: Manifest, tokenizer: Path, stream: str = "jsonl/eng") -> tuple[list[str], list[str]]:
    """Training and held-out texts."""
    decode = load_tokenizer(tokenizer).decode
    folders = manifest.stream_folder(stream), manifest.heldout_folder(stream)
    training, held_out = ([decode(ids[1:-1]) for ids in sequences(folder)] for folder in folders)
    return training, held_out


def test_ranges_make_consecutive_shards_of_one_part(both: list[str], request_of: Request, tiny_data: Path) -> None:
    manifest = run_job(request_of(*both, range_bytes=10_000), HERE, quiet)
    entry = manifest.streams["jsonl/eng"]
    assert len(entry.shard_hashes) == 6
    assert list(entry.shard_hashes) == [f"shard.{number:05}.mds" for number in range(6)]
    assert [part.name for part in entry.parts] == ["0000"]
    training, held_out = texts_of(manifest, tiny_data / "tokenizer")
    everything = [document["text"] for document in many_documents(3_000)]
    assert sorted(training + held_out) == sorted(everything)
    limit = (2 << 64) // 100
    assert set(held_out) == {text for text in everything if xxh64_intdigest(text) < limit}
    assert entry.documents == len(training)
    assert entry.heldout_documents == len(held_out)


def test_any_order_of_work_by_any_process_gives_the_same(both: list[str], request_of: Request, tmp_path: Path) -> None:
    whole = run_job(request_of(*both, out="whole", range_bytes=10_000), HERE, quiet)
    with claimed(request_of(*both[::-1], task_bytes=20_000, range_bytes=10_000), quiet) as runner:
        assert runner is not None
        reading, tasks = len(runner.route_names), runner.num_tasks
    assert reading == 2
    assert tasks > 2 + 3
    numbers = [*random.Random(1).sample(range(reading), reading), *random.Random(2).sample(range(2, tasks), tasks - 2)]
    for number in [*numbers, numbers[-1]]:
        worker = TaskRunner(WorkFolder(tmp_path / "data"))
        for name in worker.names(number):
            worker.run(name, lambda num_bytes, num_tokens: None)
    assert content(finish(tmp_path / "data", quiet).root) == content(whole.root)


def test_equal_texts_are_kept_once_over_all_ranges(both: list[str], request_of: Request, tiny_data: Path) -> None:
    manifest = run_job(request_of(*both, range_bytes=10_000, dedup=True), HERE, quiet)
    training, held_out = texts_of(manifest, tiny_data / "tokenizer")
    assert sorted(training + held_out) == sorted({document["text"] for document in many_documents(3_000)})
    entry = manifest.streams["jsonl/eng"]
    assert entry.drops == {"duplicate": 300}
    total = manifest.ledger
    assert total["dropped"] == {"duplicate": sum(e.drops.get("duplicate", 0) for e in manifest.streams.values())}
    assert total["documents"] == total["kept"] + total["dropped"]["duplicate"] == 3_300 + 145


def test_a_limit_keeps_the_highest_hashes_and_leaves_the_held_out_texts(
    both: list[str], request_of: Request, tiny_data: Path
) -> None:
    settings = {"range_bytes": 10_000, "dedup": True}
    unlimited = run_job(request_of(*both, out="unlimited", **settings), HERE, quiet)
    limited = run_job(request_of(*both, max_documents=1_200, **settings), HERE, quiet)
    training, held_out = texts_of(limited, tiny_data / "tokenizer")
    before, held_out_before = texts_of(unlimited, tiny_data / "tokenizer")
    assert held_out == held_out_before
    assert sorted(training) == sorted(sorted(before, key=xxh64_intdigest)[-1_200:])
    drops = limited.streams["jsonl/eng"].drops
    assert drops == {"duplicate": 300, "beyond max_documents": len(before) - 1_200}
    assert limited.streams["tiny/eng"] == unlimited.streams["tiny/eng"]


def test_short_texts_are_dropped_and_counted(both: list[str], request_of: Request) -> None:
    manifest = run_job(request_of(both[1], options={"min_characters": 100}), HERE, quiet)
    short = sum(len(document["text"]) < 100 for document in tiny_documents())
    assert short > 10
    assert manifest.ledger["dropped"] == {"below 100 characters": short}
    assert manifest.ledger["bad_lines"] == {}
    assert sum(entry.drops.get("below 100 characters", 0) for entry in manifest.streams.values()) == short
