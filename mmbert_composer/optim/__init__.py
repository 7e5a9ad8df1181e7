"""Optimizers and learning-rate schedules on the token clock."""

from mmbert_composer.optim.build_optimizer import build_optimizer
from mmbert_composer.optim.stable_adamw import build_stable_adamw

__all__ = ["build_optimizer", "build_stable_adamw"]
