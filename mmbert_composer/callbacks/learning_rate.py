"""Learning rate over the token clock, as a multiplier of the optimizer's."""

from composer.core import Callback, State
from composer.loggers import Logger

from mmbert_composer.curriculum import Curriculum


class LearningRate(Callback):
    """Sets each step's learning rate: the optimizer's own times the curriculum's multiplier.

    Composer 0.32.1 steps its schedulers before the clock moves on (trainer.py, ``scheduler.step()`` before
    ``to_next_batch``), so a scheduler's value is that of the step before; this one is exact.

    | key | value |
    | --- | --- |
    | ``curriculum/lr_multiplier`` | multiplier of the optimizer's learning rate in this step |
    """

    def __init__(self, curriculum: Curriculum) -> None:
        self.curriculum = curriculum

    def fit_start(self, state: State, logger: Logger) -> None:
        for optimizer in state.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])

    def batch_start(self, state: State, logger: Logger) -> None:
        multiplier = self.curriculum.at(state.timestamp.token.value).lr
        for optimizer in state.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * multiplier
        logger.log_metrics({"curriculum/lr_multiplier": multiplier})
