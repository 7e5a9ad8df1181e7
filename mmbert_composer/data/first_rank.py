"""Work that one process of a node does for all. No torch."""

import os
import sys
from collections.abc import Callable


def on_first_rank(work: Callable[[], object]) -> None:
    """Do ``work`` in the first rank of this node while the others wait; every rank calls it.

    Without a process group the ranks cannot wait for each other: then each does it.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        work()
        return
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        work()
    distributed.barrier()
