"""Nodes are alike: Streaming deals blocks to nodes with one number of ranks each, numbered node by node."""

from collections.abc import Sequence

from composer.utils import dist

from mmbert_composer.errors import UserError


def check_nodes() -> None:
    """Compare what the launchers of all nodes have set; every rank calls it, once the process group is there."""
    own = (dist.get_local_rank(), dist.get_local_world_size())
    check_ranks([own] if dist.get_world_size() == 1 else dist.all_gather_object(own))


def check_ranks(ranks: Sequence[tuple[int, int]]) -> None:
    """Refuse ranks that are not nodes of one size, one after the other.

    Args:
        ranks: (local rank, ranks on its node) of each rank, in order.
    """
    sizes = [on_node for _, on_node in ranks]
    if len(set(sizes)) > 1 or len(ranks) % sizes[0]:
        raise UserError(
            f"{len(ranks)} ranks on nodes of {', '.join(map(str, sorted(set(sizes))))} ranks: start the same number on "
            f"every node (composer -n, LOCAL_WORLD_SIZE)"
        )
    for rank, (local_rank, on_node) in enumerate(ranks):
        if local_rank != rank % on_node:
            raise UserError(
                f"rank {rank} is number {local_rank} on its node; with {on_node} ranks a node it must be "
                f"{rank % on_node}: number the ranks node by node (composer --node_rank, srun --distribution=block)"
            )
