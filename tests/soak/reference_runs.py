"""The runs that nobody stops, and what starting costs by itself."""

import time
from pathlib import Path

from tests.soak.process_group import ENVIRONMENT, ProcessGroup, composer_command, launch

REFERENCE_SECONDS = 900
"""The longest that two uninterrupted runs at once may take."""


def two_at_once(first: tuple[Path, Path, int], second: tuple[Path, Path, int]) -> None:
    """Start two runs, each (YAML, run folder, ranks), at the same instant on this machine, and wait for both.

    Raises:
        RuntimeError: one of them failed.
    """
    runs = [(folder, launch(ranks, yaml, folder, _log(folder))) for yaml, folder, ranks in (first, second)]
    try:
        for folder, group in runs:
            code = group.wait(REFERENCE_SECONDS)
            if code:
                raise RuntimeError(f"{folder.name}: exit code {code}; see {group.log}")
    finally:
        for _, group in runs:
            group.kill_all()


def uninterrupted(yaml: Path, folder: Path, ranks: int) -> None:
    """One run to its end."""
    code = launch(ranks, yaml, folder, _log(folder)).wait(REFERENCE_SECONDS)
    if code:
        raise RuntimeError(f"{folder.name}: exit code {code}; see {_log(folder)}")


def startup_seconds(yaml: Path, place: Path, ranks: int) -> float:
    """Seconds from starting the launcher until imports are done and the model is built, on all ranks."""
    file = place / f"startup-on-{ranks}"
    script = Path(__file__).with_name("startup.py")
    begin = time.time()
    group = ProcessGroup(composer_command(ranks, script, str(yaml), str(file)), _log(file), ENVIRONMENT)
    code = group.wait(REFERENCE_SECONDS)
    if code:
        raise RuntimeError(f"{script}: exit code {code}; see {group.log}")
    return float(file.read_text()) - begin


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")
