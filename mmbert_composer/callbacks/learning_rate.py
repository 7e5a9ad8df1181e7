"""Learning rate over the token clock, as a multiplier of the optimizer's."""

from collections.abc import Callable

from composer.core import Callback, State
from composer.loggers import Logger

from mmbert_composer.curriculum import Curriculum


class LearningRate(Callback):
    """Sets each step's learning rate: the optimizer's own times the curriculum's multiplier.

    Composer 0.32.1 steps its schedulers before the clock moves on (trainer.py, ``scheduler.step()`` before
    ``to_next_batch``), so a scheduler's value is that of the step before; this one is exact.

    Args:
        curriculum: whose multiplier counts, or a function from the step's first token to the multiplier.

    | key | value |
    | --- | --- |
    | ``curriculum/lr_multiplier`` | multiplier of the optimizer's learning rate in this step |
    """

    def __init__(self, curriculum: Curriculum | Callable[[int], float]) -> None:
        if isinstance(curriculum, Curriculum):
            self.multiplier: Callable[[int], float] = lambda token: curriculum.at(token).lr
        else:
            self.multiplier = curriculum

    def fit_start(self, state: State, logger: Logger) -> None:
        for optimizer in state.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])

    def batch_start(self, state: State, logger: Logger) -> None:
        multiplier = self.multiplier(int(state.timestamp.token.value))
        for optimizer in state.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * multiplier
        logger.log_metrics({"curriculum/lr_multiplier": multiplier})
