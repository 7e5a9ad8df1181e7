"""The runs that nobody stops."""

from pathlib import Path

from tests.soak.process_group import launch

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


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")
