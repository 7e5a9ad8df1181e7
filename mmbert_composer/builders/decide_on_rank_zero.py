"""What one rank finds out for all: a folder is searched and hashed once, and no two ranks see it differently."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from composer.utils import dist

from mmbert_composer.errors import UserError

T = TypeVar("T")


def decide_on_rank_zero(decide: Callable[[], T]) -> T:
    """What ``decide`` returns on rank 0, on every rank; all call it. A UserError of rank 0 is raised on all."""
    if dist.get_world_size() == 1:
        return decide()
    outcome: list[tuple[T | None, str | None]] = [(None, None)]
    if dist.get_global_rank() == 0:
        try:
            outcome = [(decide(), None)]
        except UserError as error:
            outcome = [(None, str(error))]
    dist.broadcast_object_list(outcome, src=0)
    decided, error = outcome[0]
    if error is not None:
        raise UserError(error)
    return decided  # pyright: ignore[reportReturnType], None only where decide returned it


def check_all_see(path: Path) -> None:
    """Refuse a checkpoint that some rank cannot see: it is on a disk of rank 0's machine alone."""
    missing = "" if path.exists() else f"rank {dist.get_global_rank()} on {socket.gethostname()}"
    blind = [missing] if dist.get_world_size() == 1 else dist.all_gather_object(missing)
    blind = [where for where in blind if where]
    if blind:
        raise UserError(
            f"{path}: not there for {blind[0]}{f' and {len(blind) - 1} more' if len(blind) > 1 else ''}; checkpoints "
            f"must lie on a disk that all nodes share: save_folder and load_path name it"
        )
