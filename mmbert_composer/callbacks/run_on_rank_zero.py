"""Long work on one rank while the others wait outside of any collective.

A barrier dies at the process group's timeout (300 s in Composer, seconds in tests), and merging a large model may take
longer. So rank 0 works, the others look at a key in the group's own store now and then, which needs no shared disk.
"""

import time
from collections.abc import Callable

from torch import distributed
from torch.distributed.distributed_c10d import _get_default_store

_DONE = "done"


def run_on_rank_zero(work: Callable[[], None], name: str, *, poll_seconds: float = 0.5) -> None:
    """Run ``work`` on rank 0; every rank returns when it is done, however long it takes.

    All ranks call it, in the same order for the same ``name``. If ``work`` raises, rank 0 raises its error and the
    others a RuntimeError with its text; if rank 0 dies, so does its store, and the others raise when they look.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        work()
        return
    store = _get_default_store()
    # Every rank counts its own calls in the store, so that a second call with this name gets a key of its own.
    call = store.add(f"mmbert/{name}/calls-of-rank-{distributed.get_rank()}", 1)
    key = f"mmbert/{name}/call-{call}"
    if distributed.get_rank() == 0:
        try:
            work()
        except BaseException as error:
            store.set(key, f"{type(error).__name__}: {error}")
            raise
        store.set(key, _DONE)
        return
    while not store.check([key]):  # pyright: ignore[reportAttributeAccessIssue]
        time.sleep(poll_seconds)
    outcome = store.get(key).decode(errors="replace")
    if outcome != _DONE:
        raise RuntimeError(f"{name} failed on rank 0: {outcome}")
