"""Giving a loaded optimizer a new base learning rate."""

from collections.abc import Iterable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def reset_base_lr(optimizer: Optimizer, lr: float, schedulers: Iterable[LRScheduler] = ()) -> None:
    """Make ``lr`` the base learning rate, wherever a checkpoint has restored an older one.

    Loading an optimizer's state replaces the values of its groups, so a phase that starts from a checkpoint with
    another base learning rate would go on with the old one, in three places: ``lr``; ``initial_lr``, from which
    torch's schedulers take their base when they are built; and ``max_lr``, by which StableAdamW's decoupled weight
    decay is scaled (left alone, halving lr would halve the decay). A scheduler that exists already keeps its own
    copy in ``base_lrs``: pass it, before or after its state is loaded. The scheduler's multiplier applies at its
    next step.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["initial_lr"] = lr
        if group.get("max_lr") is not None:
            group["max_lr"] = lr
    for scheduler in schedulers:
        scheduler.base_lrs = [lr] * len(optimizer.param_groups)
