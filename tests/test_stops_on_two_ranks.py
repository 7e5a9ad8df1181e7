"""Stops on two ranks, started as a user does: one rank hears of it, or the launcher dies; the result is the same."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

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

    def start(ranks, until, *overrides, **environment):
        command = [str(Path(sys.executable).parent / "composer"), "-n", str(ranks), str(ROOT / "train.py"), str(yaml)]
        command += overrides
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


def audit(folder):
    """The blocks of every step over all ranks; what a resume has taken back does not count."""
    steps = {}
    for path in folder.glob("samples-rank*.jsonl"):
        own = {}
        for row in read_jsonl(path):
            if row.get("event") == "resume":
                own = {batch: samples for batch, samples in own.items() if batch <= row["batch"]}
            else:
                own[row["batch"]] = row["samples"]
        for batch, samples in own.items():
            steps.setdefault(batch, []).extend(samples)
    return {batch: sorted(samples) for batch, samples in steps.items()}


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
    assert len(left) == 2
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
    assert audit(folder) == audit(whole)
    losses = [[row["loss"] for row in rows_of(run)[:90]] for run in (folder, whole)]  # then rounding has grown up
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_rank_that_hangs_is_named(start, tmp_path):
    launcher, ranks = start(2, 10, "dist_timeout=30")
    os.kill(ranks[1].pid, signal.SIGSTOP)
    assert launcher.wait(120) != 0
    output = (tmp_path / "output0").read_text()
    assert "rank 1 IS STUCK: it says nothing (stopped, gone or blocked)" in output
    assert "rank 0 waits: on " in output


def test_a_finished_run_on_two_ranks(start, settings, tmp_path):
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    (tmp_path / "run.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
    launcher, _ = start(2, 0)
    assert launcher.wait(300) == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    shutil.rmtree(tmp_path / "run" / "merged")
    (tmp_path / "run" / "report.html").unlink()
    launcher, _ = start(2, 0)
    assert launcher.wait(300) == 0
    assert "merged/ was missing and is written now" in (tmp_path / "output1").read_text()
    assert "hf/ was there already" in (tmp_path / "output1").read_text()
    assert (tmp_path / "run" / "merged" / "model.safetensors").exists()
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == lines
