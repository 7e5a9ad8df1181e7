"""Which folders below one are runs."""

from collections.abc import Iterator
from pathlib import Path

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.errors import UserError
from mmbert_composer.runs.run_row import RunRow, run_row

DEPTH = 3
"""How far below the folder named a run is looked for: ``runs/demo/run`` is two below ``runs``."""


def list_runs(folder: str | Path, *, verify: bool = False) -> list[RunRow]:
    """The run that ``folder`` is, or those below it, by name.

    Raises:
        UserError: no such folder, or no run in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name a run's save_folder, or a folder of runs")
    if folder.name == "checkpoints" and _is_run(folder.parent):
        folder = folder.parent
    rows = [run_row(run, _name(run, folder), verify=verify) for run in _runs(folder, DEPTH)]
    if not rows:
        raise UserError(
            f"{folder}: no run in it (no plan.json, no checkpoints/ with ep*-ba*-rank0.pt, {DEPTH} folders deep); "
            f"name a run's save_folder, or a folder of runs"
        )
    return rows


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    if _is_run(folder):
        yield folder
    elif depth:
        try:
            inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        except OSError:
            return  # another user's, or gone
        for path in inside:
            yield from _runs(path, depth - 1)


def _is_run(folder: Path) -> bool:
    return (folder / "plan.json").is_file() or bool(named_checkpoints(folder))


def _name(run: Path, folder: Path) -> str:
    return run.resolve().name if run == folder else str(run.relative_to(folder))
