import pytest

from mmbert_composer.doctor.torch_and_gpu import TorchFacts, check_torch, read_driver, read_torch_facts

H100 = ("NVIDIA H100", 79.1, "9.0")


@pytest.mark.parametrize(
    ("facts", "statuses", "text"),
    [
        (TorchFacts("2.7.0", "12.6", None), ["note"], "no NVIDIA driver here: training runs on the CPU"),
        (
            TorchFacts("2.7.0", None, "570.86.10"),
            ["problem"],
            "built without CUDA, and this machine has NVIDIA's driver",
        ),
        (
            TorchFacts("2.7.0", "12.6", "470.57.02", failure="The NVIDIA driver on your system is too old"),
            ["problem"],
            "reaches no GPU (The NVIDIA driver on your system is too old)",
        ),
        (TorchFacts("2.7.0", "12.6", "570.86.10"), ["problem"], "reaches no GPU (none is visible)"),
        (TorchFacts("2.7.0", "12.6", "570.86.10", (H100,), nccl="2.26.2"), ["ok", "ok", "ok"], "NCCL 2.26.2"),
        (TorchFacts("2.7.0", "12.6", "570.86.10", (H100,)), ["ok", "ok", "problem"], "no NCCL"),
    ],
)
def test_torch(facts, statuses, text):
    found = check_torch(facts)
    assert [finding.status for finding in found] == statuses
    assert text in found[-1].what


def test_the_driver_says_its_version(tmp_path):
    file = tmp_path / "version"
    assert read_driver(file) is None
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.10  Tue Jan 14\nGCC version: 12\n")
    assert read_driver(file) == "570.86.10"
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\n")
    assert read_driver(file) == "550.54.15"


def test_this_machine():
    import torch

    facts = read_torch_facts()
    assert (facts.version, len(facts.gpus)) == (torch.__version__, torch.cuda.device_count())
    assert check_torch(facts)
