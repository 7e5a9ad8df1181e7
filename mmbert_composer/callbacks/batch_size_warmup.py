"""Batch size over the token clock."""

from composer.core import Callback, State
from composer.loggers import Logger

from mmbert_composer.callbacks.train_loader import train_loader
from mmbert_composer.curriculum import Curriculum


class BatchSizeWarmup(Callback):
    """Sets how many blocks the next step takes, in micro-batches of one size.

    Where a size does not divide what is left of a segment, the segment's last step is short.

    | key | value |
    | --- | --- |
    | ``curriculum/batch_size`` | blocks of this step, over all ranks |
    """

    def __init__(self, curriculum: Curriculum) -> None:
        self.curriculum = curriculum

    def before_dataloader(self, state: State, logger: Logger) -> None:
        values = self.curriculum.at(state.timestamp.token.value)
        train_loader(state, "batch_size_warmup").set_global_batch_size(values.batch_size)

    def batch_start(self, state: State, logger: Logger) -> None:
        logger.log_metrics({"curriculum/batch_size": train_loader(state, "batch_size_warmup").global_batch_size})
