"""A run in numbers before it runs: tokens, shares, passes, memory, cost, a picture."""

from mmbert_composer.planning.plan_run import plan_run
from mmbert_composer.planning.read_counts import read_counts
from mmbert_composer.planning.run_plan import PhasePlan, RunPlan, SourcePlan

__all__ = ["PhasePlan", "RunPlan", "SourcePlan", "plan_run", "read_counts"]
