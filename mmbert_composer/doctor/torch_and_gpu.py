"""torch, the driver, the GPUs, and what ranks talk through."""

from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.doctor.finding import Finding, note, ok, problem

CHECK = "torch and GPU"
DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class TorchFacts:
    """``cuda``: the CUDA that torch was built for, None for a build without; ``driver``: NVIDIA's, None without.

    ``gpus``: (name, GiB, compute capability); ``failure``: why torch reaches none; ``nccl``: version, None without.
    """

    version: str
    cuda: str | None
    driver: str | None
    gpus: tuple[tuple[str, float, str], ...] = ()
    failure: str = ""
    nccl: str | None = None


def read_torch_facts() -> TorchFacts:
    """Of this process; imports torch."""
    import torch
    import torch.cuda.nccl
    import torch.version

    failure, gpus = "", ()
    try:
        if torch.version.cuda is not None and torch.cuda.is_available():
            properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
            gpus = tuple((p.name, p.total_memory / 2**30, f"{p.major}.{p.minor}") for p in properties)
        elif torch.version.cuda is not None:
            torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        failure = str(error).strip().splitlines()[0]
    nccl = None
    if gpus and torch.distributed.is_nccl_available():
        nccl = ".".join(map(str, torch.cuda.nccl.version()))
    return TorchFacts(torch.__version__, torch.version.cuda, read_driver(), gpus, failure, nccl)


def read_driver(file: Path = DRIVER) -> str | None:
    """The version of NVIDIA's kernel driver, from the line where it names itself."""
    try:
        words = file.read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return None
    return next((word for word in words if word[0].isdigit() and "." in word), None)


def check_torch(facts: TorchFacts) -> list[Finding]:
    """What training will run on."""
    built = f"torch {facts.version}, built {f'for CUDA {facts.cuda}' if facts.cuda else 'without CUDA'}"
    if facts.gpus:
        found = [ok(CHECK, f"{built}; driver {facts.driver or 'unknown'}")]
        found += [ok(CHECK, f"{name}, {memory:.0f} GiB, capability {cc}") for name, memory, cc in facts.gpus]
        if facts.nccl is None:
            found.append(
                problem(CHECK, "this torch has no NCCL, so ranks on GPUs cannot talk", "install torch's CUDA build")
            )
        else:
            found.append(ok(CHECK, f"ranks talk through NCCL {facts.nccl}"))
        return found
    if facts.driver is None:
        return [note(CHECK, f"{built}; no NVIDIA driver here: training runs on the CPU, ranks talk through gloo")]
    if facts.cuda is None:
        return [
            problem(
                CHECK,
                f"{built}, and this machine has NVIDIA's driver {facts.driver}",
                "install torch's CUDA build: pip install --force-reinstall torch, the version of above",
            )
        ]
    return [
        problem(
            CHECK,
            f"{built}, with driver {facts.driver}, reaches no GPU ({facts.failure or 'none is visible'})",
            f"compare with nvidia-smi; give a container its GPUs (--gpus all), unset CUDA_VISIBLE_DEVICES, or update "
            f"the driver to one for CUDA {facts.cuda}",
        )
    ]
