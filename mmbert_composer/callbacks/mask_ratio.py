"""Mask ratio over the token clock."""

from composer.core import Callback, State
from composer.loggers import Logger

from mmbert_composer.callbacks.train_loader import train_loader
from mmbert_composer.curriculum import Curriculum


class MaskRatio(Callback):
    """Sets the mask ratio of each step, before the loader masks it.

    | key | value |
    | --- | --- |
    | ``curriculum/mask_ratio`` | share of a block's maskable tokens that this step masks |
    """

    def __init__(self, curriculum: Curriculum) -> None:
        self.curriculum = curriculum

    def before_dataloader(self, state: State, logger: Logger) -> None:
        token = state.timestamp.token.value
        loader = train_loader(state, "mask_ratio")
        loader.set_mask_ratio(self.curriculum.at(token).mask_ratio, self.curriculum.phase_at(token).mask_ratio.high)

    def batch_start(self, state: State, logger: Logger) -> None:
        logger.log_metrics({"curriculum/mask_ratio": train_loader(state, "mask_ratio").mask_ratio})
