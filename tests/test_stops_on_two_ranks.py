"""Stops on two ranks, started as a user does: one rank hears of it, or the launcher dies; the result is the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmbert_composer.checkpoints.list_checkpoints import newest_checkpoint
from mmbert_composer.runtime.process_identity import ProcessIdentity
from mmbert_composer.runtime.shared_memory_register import SHARED_MEMORY, register_folder
from mmbert_composer.train import main
from tests.conftest import ROOT, read_jsonl
from tests.test_train import rows_of, samples_of

pytestmark = pytest.mark.slow


@pytest.fixture
def start(yaml_of, settings, tmp_path):
    """Starts ``composer -n RANKS train.py ...``, waits for a step and gives the launcher and its ranks."""
    settings["save_interval"] = "1000ba"
    for phase in settings["curriculum"]["phases"]:
        phase["duration"] = "16_384tok"
    yaml, folder, launchers = yaml_of(settings), tmp_path / "run", []

    def start(ranks, until, **environment):
        command = [str(Path(sys.executable).parent / "composer"), "-n", str(ranks), str(ROOT / "train.py"), str(yaml)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        with (tmp_path / f"output{len(launchers)}").open("w") as output:
            launcher = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        launchers.append(launcher)
        deadline = time.monotonic() + 300
        while steps(folder) < until:
            assert launcher.poll() is None, Path(output.name).read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        found = {rank_of(int(child)): ProcessIdentity.of(int(child)) for child in children}
        return launcher, [found[rank] for rank in sorted(found)]

    yield start
    for launcher in launchers:
        if launcher.poll() is None:
            launcher.kill()
            launcher.wait()


def steps(folder):
    file = folder / "metrics.jsonl"
    return max((row["batch"] for row in read_jsonl(file)), default=0) if file.exists() else 0


def rank_of(pid):
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((int(entry.partition(b"=")[2]) for entry in entries if entry.startswith(b"RANK=")), -1)


def wait_for(gone):
    deadline = time.monotonic() + 60
    while any(process.is_alive() for process in gone):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_stops_and_restarts(start, settings, yaml_of, tmp_path):
    folder, whole = tmp_path / "run", tmp_path / "whole"
    launcher, ranks = start(2, until=10)
    os.kill(ranks[1].pid, signal.SIGTERM)  # rank 0 hears of it at the step's end
    assert launcher.wait(60) == 75
    first = newest_checkpoint(folder)
    assert first.batch == max(samples_of(folder)) == max(samples_of(folder, rank=1)) == steps(folder)

    launcher, ranks = start(2, until=first.batch + 10)
    launcher.kill()
    launcher.wait()
    wait_for(ranks)
    second = newest_checkpoint(folder)
    assert second.batch == max(samples_of(folder)) == max(samples_of(folder, rank=1)) > first.batch

    launcher, ranks = start(2, until=second.batch + 10)
    left = [entry for rank in ranks for entry in register_folder().glob(f"*.{rank.pid}")]
    assert len(left) == 4  # two ranks, each with training and held-out data
    for rank in ranks:  # everything at once: nothing is saved, shared memory stays behind
        os.kill(rank.pid, signal.SIGKILL)
    launcher.wait(60)
    other = tmp_path / "another"
    other.mkdir()
    launcher, _ = start(1, until=0, TMPDIR=str(other))
    assert launcher.wait(300) == 0
    assert not [entry for entry in left if entry.exists()]
    assert not [path for entry in left for path in SHARED_MEMORY.glob(f"{entry.stem}_*")]

    assert main([str(yaml_of(settings)), f"save_folder={whole}"]) == 0
    both = {batch: samples_of(folder)[batch] + samples_of(folder, 1).get(batch, []) for batch in samples_of(folder)}
    assert {batch: sorted(samples) for batch, samples in both.items()} == {
        batch: sorted(samples) for batch, samples in samples_of(whole).items()
    }
    for mine, theirs in zip(rows_of(folder), rows_of(whole), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
