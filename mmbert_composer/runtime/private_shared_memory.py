"""A private shared-memory namespace for every dataset.

Fault: Streaming 0.13.0 looks for the first free prefix and then creates it (shared/prefix.py:114, 225); two
runs that start at once on one machine find the same one and die with ``FileExistsError: ..._locals``, and what a
killed run left stands in the way of the next ("Reused local directory"), or of another user's (PermissionError).
Detected by: starting two runs, or two nodes of one run, at the same instant. Mend: the first rank of each node
draws a random prefix and tells the others; :mod:`mmbert_composer.runtime.shared_memory_register` cleans up.
Can go: when Streaming picks names that cannot collide (mosaicml/streaming#717, #884).
"""

import logging
import secrets

import streaming.base.dataset
from streaming.base.distributed import all_gather_object
from streaming.base.shared import SharedMemory
from streaming.base.shared.prefix import _check_self, _get_path, _pack_locals
from streaming.base.world import World
from torch import distributed

from mmbert_composer.runtime.shared_memory_register import register, sweep

log = logging.getLogger(__name__)

LOWEST_PREFIX = 10_000_000
"""Above every prefix that Streaming itself would reach by counting up."""


def install() -> None:
    """Make every dataset built from now on use a private namespace; remove what dead processes left of theirs."""
    streaming.base.dataset.get_shm_prefix = _private_prefix
    swept = sweep()
    if swept:
        log.info("shared memory of %d datasets of killed processes removed", len(swept))


def _private_prefix(
    streams_local: list[str], streams_remote: list[str | None], world: World, retry: int = 100
) -> tuple[int, SharedMemory]:
    _check_self(streams_local)
    # the node's first rank's: nodes on one machine need a namespace each
    prefix = all_gather_object(LOWEST_PREFIX + secrets.randbelow(900_000_000))[world.rank - world.rank_of_node]
    register(prefix)
    name = _get_path(prefix, "locals")
    data = _pack_locals(streams_local, prefix)
    shm = None
    if world.is_local_leader:
        shm = SharedMemory(name, True, len(data))
        shm.buf[: len(data)] = data
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
    return prefix, shm if shm is not None else SharedMemory(name, False)
