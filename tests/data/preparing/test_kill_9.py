"""Real text, real processes, real signals: slow."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mmbert_composer.data.inputs.document import Document
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.prepare import prepare
from mmbert_composer.data.preparing import worker
from mmbert_composer.data.preparing.route_task import DONE_NAME
from mmbert_composer.data.tokenizer import train_tokenizer
from tests.conftest import REAL_DATA, ROOT
from tests.data.preparing.conftest import content, quiet

pytestmark = pytest.mark.slow

FILES = [REAL_DATA / name for name in ("udhr.jsonl.gz", "bible-nt.jsonl.gz")]
INPUTS = [f"jsonl:{path}" for path in FILES]
KILLS = 10


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not all(path.is_file() for path in FILES):
        pytest.skip(f"no real text in {REAL_DATA}")
    folder = tmp_path_factory.mktemp("real") / "tokenizer"
    records = (record for spec in INPUTS for record in parse_spec(spec, ReadOptions()).read())
    texts = (record.text for number, record in enumerate(records) if number % 20 == 0 and isinstance(record, Document))
    train_tokenizer(texts, 8_000, folder)
    return folder


@pytest.fixture(scope="module")
def whole(tokenizer: Path) -> dict[str, bytes]:
    """What one process makes in one go, its ledger looked at."""
    manifest = prepare(INPUTS, tokenizer, tokenizer.parent / "whole", 1024, say=quiet)
    ledger = manifest.ledger
    assert ledger["documents"] == ledger["kept"] + sum(ledger["dropped"].values())
    assert ledger["kept"] == ledger["training"] + ledger["heldout"]
    assert len({name.split("/")[1] for name in manifest.streams}) == 471
    return content(manifest.root)


def command(tokenizer: Path, out: Path, workers: int) -> list[str]:
    arguments = [argument for spec in INPUTS for argument in ("--input", spec)]
    arguments += ["--tokenizer", str(tokenizer), "--out", str(out), "--block-size", "1024", "--workers", str(workers)]
    return [sys.executable, "-m", "mmbert_composer.cli.main", "prepare", "run", *arguments]


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same(
    workers: int, tokenizer: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    manifest = prepare(INPUTS[::-1], tokenizer, tmp_path / "data", 1024, workers, say=quiet)
    assert content(manifest.root) == whole


def test_killed_at_random_instants_it_ends_with_the_same(
    tokenizer: Path, whole: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(7)
    out = tmp_path / "data"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = {"worker": 0, "parent": 0, "everything": 0}
    delay, done, process, targets = 4.0, -1, None, sorted(killed)
    while sum(killed.values()) < KILLS:
        if process is None:
            done_before, done = done, sum(1 for _ in out.rglob(DONE_NAME))
            if done == done_before:  # on a busy machine it was killed while it started
                delay *= 1.3
            process = subprocess.Popen(command(tokenizer, out, 2), env=environment, start_new_session=True)
            targets = sorted(killed)
        time.sleep(source.uniform(0.5, delay))
        if process.poll() is not None:
            assert process.returncode == 0, "it failed by itself"
            break  # it was through before ten kills: they were too late
        target = source.choice(targets)
        workers = [child for child in psutil.Process(process.pid).children() if worker.__name__ in child.cmdline()]
        if target == "worker" and workers:  # the run goes on without it, and would report a task that kills twice
            workers[0].kill()
            targets.remove("worker")
            killed[target] += 1
            continue
        if target == "everything":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        killed["everything" if target == "everything" else "parent"] += 1
        process.wait()
        process = None
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive, "a worker outlived its parent"
    if process is not None:
        assert process.wait() == 0, "it did not get over the death of a worker"
    assert sum(killed.values()) >= KILLS // 2, killed
    print(f"killed {killed}")
    subprocess.run(command(tokenizer, out, 2), env=environment, check=True)
    assert content(out) == whole
    assert load_manifest(out).ledger["documents"] > 20_000
