import resource
import signal

import pytest
import torch

from mmbert_composer.checkpoints.checkpoint_record import read_record, record_path
from mmbert_composer.checkpoints.list_checkpoints import why_invalid
from mmbert_composer.checkpoints.write_checkpoint import FailedWriteError, tensor_bytes, write_checkpoint
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
    for name in (path.name, "ep4-ba10-rank0.pt"):
        with pytest.raises(
            FailedWriteError, match=r"no checkpoint was written to .*: File too large; it takes"
        ) as failed:
            write_checkpoint(tmp_path / name, content(2.0), curriculum)
        assert failed.value.failed.needed == 400_000
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_cannot_fit_is_not_begun(tmp_path, curriculum):
    """A sparse tensor of 4 TB: more than any disk here has, and nothing is written of it."""
    huge = content()
    huge["state"]["model"]["b"] = torch.empty(1 << 40, device="meta")
    with pytest.raises(FailedWriteError, match=r"No space left on device; it takes 4,398\.047 GB") as failed:
        write_checkpoint(tmp_path / "ep4-ba9-rank0.pt", huge, curriculum)
    assert failed.value.failed.free > 0
    assert list(tmp_path.iterdir()) == []


def test_tensors_that_share_memory_count_once():
    weights = torch.zeros(10, 10)
    assert sum(tensor_bytes({"a": weights, "b": [weights[2:], {"c": (torch.zeros(3, dtype=torch.int8), 5)}]})) == 403
