"""Context: sequence length and RoPE theta, phase by phase."""

import logging

from composer.core import Callback, State
from composer.loggers import Logger

from mmbert_composer.callbacks.train_loader import bare_model, train_loader
from mmbert_composer.curriculum import Curriculum, RopeTheta
from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

log = logging.getLogger(__name__)


class ContextExtension(Callback):
    """Sets where the loader cuts sequences, and the model's RoPE theta, before each step.

    The blocks stay the same: a phase with a shorter ``max_seq_len`` trains on pieces of their sequences.

    | key | value |
    | --- | --- |
    | ``curriculum/max_seq_len`` | longest sequence of this step, in tokens |
    | ``curriculum/rope_theta_global`` | RoPE base of the layers that attend globally |
    | ``curriculum/rope_theta_local`` | RoPE base of the layers that attend in a window |
    """

    def __init__(self, curriculum: Curriculum) -> None:
        self.curriculum = curriculum
        self._theta: RopeTheta | None = None

    def fit_start(self, state: State, logger: Logger) -> None:
        self._apply(state)

    def before_dataloader(self, state: State, logger: Logger) -> None:
        self._apply(state)

    def _apply(self, state: State) -> None:
        values = self.curriculum.at(state.timestamp.token.value)
        train_loader(state, "context_extension").max_seq_len = values.max_seq_len
        if values.rope_theta != self._theta:
            model = bare_model(state)
            if not isinstance(model, ModernBertMLM):
                raise UserError(
                    f"callback context_extension: the model is a {type(model).__name__}; it sets the RoPE theta of a "
                    f"ModernBertMLM (from mmbert_composer.models)"
                )
            model.set_rope_theta(values.rope_theta.global_theta, values.rope_theta.local_theta)
            self._theta = values.rope_theta
            theta = (values.rope_theta.global_theta, values.rope_theta.local_theta)
            log.info("max_seq_len %d, RoPE theta %g global, %g local", values.max_seq_len, *theta)

    def batch_start(self, state: State, logger: Logger) -> None:
        assert self._theta is not None
        logger.log_metrics(
            {
                "curriculum/max_seq_len": train_loader(state, "context_extension").max_seq_len,
                "curriculum/rope_theta_global": self._theta.global_theta,
                "curriculum/rope_theta_local": self._theta.local_theta,
            }
        )
