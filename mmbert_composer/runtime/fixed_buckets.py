"""Gradients are summed in the same order in every step of a run, its first after a restart too.

Fault: torch 2.7's DistributedDataParallel packs gradients into buckets in the order of the parameters, and packs them
anew, in the order they came, after the first step of a process (``_rebuild_buckets``). On more than two ranks a
gradient's place in its bucket decides in which order the ranks' values are added, so the first step after a restart is
rounded otherwise than the same step of a run that went on. Detected by: kill and restart on 4 ranks, losses compared
bit by bit. Mend: the buckets stay as they were made. They are made last parameter first, which is nearly the order
that gradients come in, so nothing of the overlap with the backward pass is lost. Can go: when torch lets one choose.
"""

from typing import Any

from torch.nn import Module
from torch.nn.parallel import DistributedDataParallel


def keep_buckets(model: Module) -> None:
    """Call before the first step of a model that Composer may have wrapped in DistributedDataParallel."""
    if isinstance(model, DistributedDataParallel):
        model.reducer = _FixedReducer(model.reducer)  # pyright: ignore[reportAttributeAccessIssue]


class _FixedReducer:
    """A reducer that is never asked to rebuild; DistributedDataParallel calls it from Python for everything."""

    def __init__(self, reducer: Any) -> None:
        self._reducer = reducer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reducer, name)

    def _rebuild_buckets(self) -> bool:
        return False
