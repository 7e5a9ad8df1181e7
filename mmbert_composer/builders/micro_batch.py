"""One micro-batch size for the whole run, so that a run does not depend on its ranks."""

from mmbert_composer.curriculum import Curriculum
from mmbert_composer.errors import UserError


def micro_batch_size(curriculum: Curriculum, ranks: int, at_most: int) -> int:
    """The largest divisor of g / ranks that is at most ``at_most`` blocks; g divides every batch size of the run.

    Raises:
        UserError: if the ranks do not divide g, naming the counts that do.
    """
    common = curriculum.batch_divisor
    if common % ranks:
        fitting = [count for count in range(1, common + 1) if common % count == 0]
        raise UserError(
            f"{ranks} ranks cannot share batches that are multiples of {common} blocks; "
            f"use {', '.join(map(str, fitting))} ranks, or other batch sizes"
        )
    share = common // ranks
    return max(size for size in range(1, min(share, at_most) + 1) if share % size == 0)
