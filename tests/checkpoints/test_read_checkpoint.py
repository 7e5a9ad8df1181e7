import os
import pickle
from pathlib import Path

import pytest
import torch

from mmbert_composer.checkpoints.read_checkpoint import Clock, read_checkpoint, read_clock
from mmbert_composer.errors import UserError

pytest_plugins = ("tiny_models",)


class _Command:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_reads_composers_checkpoint(tmp_path, tiny_model, save_checkpoint):
    model = tiny_model(0)
    path = save_checkpoint(tmp_path, model, epoch=2, batch=7, token=4096)
    content = read_checkpoint(path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(content["state"]["model"][f"model.{name}"], tensor)
    assert list(content["rng"][0]["numpy"][1]) == [0, 1, 2, 3, 4]
    assert read_clock(path) == Clock(epoch=2, batch=7, token=4096)


def test_crafted_file_is_refused_and_does_not_run(tmp_path):
    touched = tmp_path / "touched"
    path = tmp_path / "ep1-ba1-rank0.pt"
    torch.save({"state": {"model": {}, "x": _Command(f"touch {touched}")}}, path)
    with pytest.raises(UserError, match=r"ep1-ba1-rank0\.pt: refused, it asks for (posix|os)\.system"):
        read_checkpoint(path)
    assert not touched.exists()
    path.write_bytes(pickle.dumps(_Command(f"touch {touched}")))
    with pytest.raises(UserError, match=r"not a complete checkpoint file|refused"):
        read_checkpoint(path)
    assert not touched.exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_file(tmp_path, tiny_model, save_checkpoint, share):
    path = save_checkpoint(tmp_path, tiny_model(0), epoch=1, batch=1)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="not a complete checkpoint file"):
        read_checkpoint(path)


def test_other_files(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint file"):
        read_checkpoint(tmp_path / "none.pt")
    path: Path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match=r"holds no state\.model"):
        read_checkpoint(path)
    torch.save({"state": {"model": {"weight": torch.zeros(2)}}}, path)
    with pytest.raises(UserError, match="no timestamp"):
        read_clock(path)


def test_without_memory_map_the_file_may_go(tmp_path, tiny_model, save_checkpoint):
    path = save_checkpoint(tmp_path, tiny_model(0), epoch=1, batch=1)
    content = read_checkpoint(path, mmap=False)
    path.write_bytes(b"")
    assert torch.isfinite(content["state"]["model"]["model.decoder.bias"]).all()
