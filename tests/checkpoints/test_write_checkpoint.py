import resource
import signal

import pytest
import torch

from mmbert_composer.checkpoints.checkpoint_record import read_record, record_path
from mmbert_composer.checkpoints.list_checkpoints import why_invalid
from mmbert_composer.checkpoints.write_checkpoint import write_checkpoint
from mmbert_composer.config import parse_run_config


@pytest.fixture
def curriculum(settings):
    return parse_run_config(settings).curriculum


def content(value=0.0):
    """A checkpoint of 400 kB at the end of the second phase of the tiny settings."""
    timestamp = {"Timestamp": {"epoch": 4, "batch": 9, "token": 4096}}
    return {"state": {"model": {"a": torch.full((100_000,), value)}, "timestamp": timestamp}, "rng": []}


@pytest.fixture
def small_files():
    """The system refuses to let a file of this process grow beyond 100 kB, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_checkpoint_and_its_record(tmp_path, curriculum):
    path = tmp_path / "checkpoints" / "ep4-ba9-rank0.pt"
    write_checkpoint(path, content(), curriculum)
    assert why_invalid(path, content=True) is None
    record = read_record(path)
    assert (record.batch, record.token, record.segment, record.phase) == (9, 4096, 4, "two")
    assert record.bytes == path.stat().st_size
    assert {file.name for file in path.parent.iterdir()} == {path.name, record_path(path).name}


def test_a_disk_that_does_not_take_it_leaves_what_was_there(tmp_path, curriculum, small_files):
    path = tmp_path / "ep4-ba9-rank0.pt"
    write_checkpoint(path, content(1.0), curriculum)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    small_files()
    with pytest.raises(OSError, match="File too large"):
        write_checkpoint(path, content(2.0), curriculum)
    with pytest.raises(OSError, match="File too large"):
        write_checkpoint(tmp_path / "ep4-ba10-rank0.pt", content(2.0), curriculum)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
