import errno
import resource
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from mmbert_composer.merging.safetensors_writer import SafetensorsWriter

KINDS = {
    "bias": (torch.bfloat16, (3,)),
    "steps": (torch.int64, (2,)),
    "empty": (torch.float32, (0, 4)),
    "w": (torch.float32, (2, 3)),
    "scalar": (torch.float32, ()),
}


def test_slices_in_any_order(tmp_path):
    file = tmp_path / "out.safetensors"
    with SafetensorsWriter(file, KINDS) as writer:
        writer.write("w", 4, torch.tensor([4.0, 5.0]))
        writer.write("bias", 0, torch.tensor([1.0, 2.0, 3.004]))
        writer.write_bytes("steps", 1, torch.tensor([8]).numpy().data.cast("B"))
        writer.write("w", 0, torch.tensor([0.0, 1.0, 2.0, 3.0]))
        writer.write_bytes("steps", 0, torch.tensor([7]).numpy().data.cast("B"))
        writer.write("scalar", 0, torch.tensor([0.5]))
    read = load_file(file)
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in read.items()} == KINDS
    assert read["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read["bias"].tolist() == [1, 2, 3]
    assert read["steps"].tolist() == [7, 8]
    assert read["scalar"].item() == 0.5
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"format": "pt"}


def test_no_room_is_noticed_at_once(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            SafetensorsWriter(tmp_path / "out.safetensors", {"w": (torch.float32, (100, 100))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert error.value.errno == errno.EFBIG
