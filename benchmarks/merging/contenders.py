"""The same merge as commands of ours and of mergekit, each a process whose time and memory the system counts."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.merging.places import BASE, MODELS

ROOT = Path(__file__).parents[2]
MERGEKIT_PYTHON = Path(os.environ.get("MERGEKIT_PYTHON", ROOT / ".venv-mergekit" / "bin" / "python"))
DENSITY = 0.2

MERGEKIT_FLAGS = {
    "mergekit": (),
    "mergekit-flags": ("--lazy-unpickle", "--low-cpu-memory", "--async-write", "--out-shard-size", "100M"),
}
"""Its defaults, and all of its flags that could help here: small shards leave memory early, written by a thread."""


@dataclass(frozen=True)
class Run:
    """One process: wall-clock seconds, processor seconds over all threads, largest resident memory in bytes."""

    seconds: float
    processor: float
    peak: int


def ours(method: str, folder: Path, out: Path) -> list[str]:
    """Our command; its check of the result by logits is part of it."""
    command = [sys.executable, "-m", "mmbert_composer.cli.main", "merge", "--method", method, "--out", str(out)]
    if method == "ties":
        command += ["--base", str(folder / BASE), "--density", str(DENSITY)]
    return command + [str(folder / name) for name in MODELS]


def ours_alone(method: str, folder: Path, out: Path) -> list[str]:
    """Our merge without its check."""
    command = [sys.executable, "-m", "benchmarks.merging.weights_alone", method, str(out), str(folder / BASE)]
    return command + [str(folder / name) for name in MODELS]


def mergekit(method: str, folder: Path, out: Path, flags: tuple[str, ...]) -> list[str]:
    """mergekit's command; its recipe is written beside ``out`` (JSON is YAML)."""
    numbers = {"weight": 1.0} if method == "linear" else {"weight": 1.0, "density": DENSITY}
    recipe = {
        "merge_method": method,
        "dtype": "float32",
        "models": [{"model": str(folder / name), "parameters": numbers} for name in MODELS],
    }
    if method == "ties":
        recipe["base_model"] = str(folder / BASE)
    file = out.with_suffix(".yaml")
    file.write_text(json.dumps(recipe))
    program = "from mergekit.scripts.run_yaml import main; main()"
    return [str(MERGEKIT_PYTHON), "-c", program, str(file), str(out), *flags]


def run(command: list[str], out: Path) -> Run:
    """Run ``command``, which writes the folder ``out``; an earlier one is removed first.

    Peak memory is the kernel's count for the process (``ru_maxrss``), pages of mapped files included.
    """
    shutil.rmtree(out, ignore_errors=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with out.with_suffix(".log").open("w+") as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # reaped above: Popen must not wait again
        if process.returncode != 0:
            log.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed with {process.returncode}:\n{log.read()[-3000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
