"""How many checkpoints of a run lie on the disk at once."""

import math

from mmbert_composer.config import RunConfig
from mmbert_composer.planning.run_plan import RunPlan

MERGED_BY_DEFAULT = 3
"""``last`` of checkpoint_merging."""


def kept_checkpoints(config: RunConfig, plan: RunPlan) -> int:
    """The most checkpoints on the disk at once: those kept, each phase's end, those to be merged, one begun."""
    phase_ends = len(config.curriculum.phases)
    in_tokens = config.save_interval.endswith("tok")
    every = int(config.save_interval.removesuffix("tok").removesuffix("ba"))
    saves = math.ceil((plan.total_tokens if in_tokens else plan.steps) / every)
    if config.save_num_checkpoints_to_keep < 0:
        return saves + phase_ends
    merging = config.callbacks.get("checkpoint_merging")
    last = 0 if merging is None else int(merging.get("last", MERGED_BY_DEFAULT))
    return min(saves, max(1, config.save_num_checkpoints_to_keep) + last + 1) + phase_ends
