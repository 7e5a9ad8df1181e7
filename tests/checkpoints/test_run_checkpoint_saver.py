"""A disk that fills up under a run, in process: the system refuses files above a size, as for want of space."""

import json
import resource
import signal

import pytest

from mmbert_composer.callbacks.sample_log import SampleLog
from mmbert_composer.checkpoints import run_checkpoint_saver
from mmbert_composer.checkpoints.checkpoint_record import record_path
from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints, why_invalid
from mmbert_composer.checkpoints.run_checkpoint_saver import RunCheckpointSaver
from mmbert_composer.config import parse_run_config
from mmbert_composer.train import main
from tests.conftest import read_jsonl
from tests.test_train import rows_of, samples_of


@pytest.fixture
def full_from(monkeypatch):
    """No file may grow beyond 100 kB (a checkpoint has 900) from the first of two steps, until the second."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def full_from(first, last):
        def batch_start(self, state, logger):
            step = int(state.timestamp.batch) + 1
            limit = 100_000 if first <= step < last else before[0]
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))

        monkeypatch.setattr(SampleLog, "batch_start", batch_start, raising=False)

    yield full_from
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_training_goes_on_until_a_phase_ends(settings, yaml_of, tmp_path, monkeypatch, full_from, caplog, capsys):
    settings["save_interval"] = "11ba"
    monkeypatch.setattr(run_checkpoint_saver, "RETRY_STEPS", 3)
    yaml, folder = str(yaml_of(settings)), tmp_path / "run"
    full_from(10, 15)
    assert main([yaml]) == 0
    failed = [row for row in read_jsonl(folder / "metrics.jsonl") if row.get("event") == "save_failed"]
    assert [row["batch"] for row in failed] == [11, 14]
    assert failed[0]["error"] == "File too large"
    assert failed[0]["needed_bytes"] > 100_000
    assert caplog.text.count("TRAINING GOES ON WITHOUT IT") == 2
    saved = named_checkpoints(folder)
    assert [file.batch for file in saved] == [8, 17, 20, 22, 28]
    assert all(why_invalid(file.path, content=True) is None for file in saved)

    full_from(18, 1000)
    assert main([yaml, f"save_folder={tmp_path / 'stopped'}"]) == 1
    error = capsys.readouterr().err
    assert "error: step 20: no checkpoint was written to " in error
    assert f"({failed[0]['needed_bytes']:,} bytes)" in error
    assert "Make room and start the same command again" in error
    left = sorted(path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir())
    assert left == sorted(f"ep{n}.pt{end}" for n in ("2-ba11-rank0", "2-ba8-rank0") for end in ("", ".json"))
    resource.setrlimit(resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)[1:] * 2)
    monkeypatch.undo()
    assert main([yaml, f"save_folder={tmp_path / 'stopped'}"]) == 0
    for name in ("loss", "tokens_real"):
        assert [row[name] for row in rows_of(tmp_path / "stopped")] == [row[name] for row in rows_of(folder)]
    assert samples_of(tmp_path / "stopped") == samples_of(folder)


def test_pruning_removes_records_and_goes_on_after_a_restart(settings, yaml_of, tmp_path):
    settings["save_interval"], settings["save_num_checkpoints_to_keep"] = "3ba", 2
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:2]
    folder = tmp_path / "run" / "checkpoints"
    assert main([str(yaml_of(settings))]) == 0
    kept = named_checkpoints(folder)
    assert [file.batch for file in kept] == [8, 18, 20]  # the phases' ends, and one more beside the newest
    assert {path.name for path in folder.iterdir()} == {
        path.name for file in kept for path in (file.path, record_path(file.path))
    }
    record = json.loads(record_path(kept[-1].path).read_text())
    assert (record["batch"], record["segment"], record["phase"]) == (20, 3, "two")


def test_a_file_ahead_of_the_clock_pushes_no_good_one_out(settings, tmp_path):
    """It is of an attempt that a restart passed over, because it was damaged."""
    curriculum = parse_run_config(settings).curriculum
    saver = RunCheckpointSaver(tmp_path, curriculum, num_checkpoints_to_keep=2)
    for batch in (3, 5, 6, 7, 25):
        (tmp_path / f"ep0-ba{batch}-rank0.pt").touch()
    saver._prune(tmp_path / "ep0-ba7-rank0.pt")
    assert [file.batch for file in named_checkpoints(tmp_path)] == [6, 7, 25]
