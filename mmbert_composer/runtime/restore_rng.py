"""The generators' state is restored on a resume inside a segment.

Fault: Composer 0.32.1 restores no RNG on a resume inside an epoch when the dataset resumes itself (trainer.py:2401,
2430), so with dropout the losses differ. Detected by: a resumed run against the uninterrupted one, dropout 0.1.
Mend: load it at the first AFTER_DATALOADER, after the loader's own draws. Per rank, so only on the same number of
ranks. Can go: when Composer restores it for datasets that resume themselves.
"""

from composer import Trainer
from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist, reproducibility


class RestoreRng(Callback):
    """Loads the state that ``trainer`` read from its checkpoint, once."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def after_dataloader(self, state: State, logger: Logger) -> None:
        saved = self.trainer._rng_state
        if saved is not None and len(saved) == dist.get_world_size():
            reproducibility.load_rng_state(saved)
        self.trainer._rng_state = None
