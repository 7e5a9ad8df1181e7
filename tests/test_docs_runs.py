"""The commands of docs/runs.md, and what it says about exit codes and files."""

import shutil

import pytest

from mmbert_composer.checkpoints.checkpoint_record import CheckpointRecord
from mmbert_composer.runtime import run_lock, stop_signals
from tests.conftest import ROOT
from tests.documents import Document, run_command, shortened

DOCUMENT = Document(ROOT / "docs" / "runs.md")


@pytest.fixture
def there(tmp_path, monkeypatch, tiny_data):
    shutil.copytree(ROOT / "yamls", tmp_path / "yamls")
    shutil.copytree(tiny_data, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands(there, caplog):
    lengths = [f"curriculum.phases.{number}.max_seq_len=64" for number in range(3)]
    short = [*shortened(3, 2_048, 1_024), "curriculum.phases.0.batch_size.over=1_024tok", *lengths]
    short += ["data.block_size=64", "data.segment_blocks=32"]
    first, second = DOCUMENT.commands()
    assert first == second
    run_command(first, short)
    lines = (there / "runs/mine/metrics.jsonl").read_text()
    caplog.clear()
    run_command(second, short)
    assert "the run in runs/mine is finished; nothing to train" in caplog.text.replace(f"{there}/", "")
    assert (there / "runs/mine/metrics.jsonl").read_text() == lines
    assert (there / "runs/mine/report.html").exists()


def test_its_numbers():
    text = " ".join(DOCUMENT.text.split())
    assert f"| {stop_signals.TRY_AGAIN} | SIGTERM or SIGUSR1" in text
    assert f"| {stop_signals.INTERRUPTED} | Ctrl-C" in text
    assert f"one is written every {run_lock.BEAT:.0f} seconds) for {run_lock.PATIENCE:.0f} seconds" in text
    assert run_lock.STOPPING_PATIENCE == 120
    assert f"`{run_lock.NAME}`" in text
    for field in CheckpointRecord.__dataclass_fields__:
        assert f'"{field}"' in text
