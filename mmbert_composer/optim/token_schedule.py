"""A learning-rate schedule as a function of the token clock, for Composer."""

from collections.abc import Callable

from composer.core import State
from composer.optim import ComposerScheduler


class TokenSchedule(ComposerScheduler):
    """Multiplies the optimizer's learning rate by ``multiplier(tokens so far)``.

    Tokens are Composer's ``timestamp.token``: slots, summed over ranks. Nothing is remembered, so a resumed run is
    exact.

    NOTE: Composer 0.32.1 evaluates schedulers after a step but before its clock moves on, so given to a Trainer as
    ``schedulers`` the multiplier lags by one step. The callback ``learning_rate`` applies it at the step's first token.

    Args:
        multiplier: token to multiplier of the optimizer's ``lr``.
    """

    def __init__(self, multiplier: Callable[[int], float]) -> None:
        self.multiplier = multiplier

    def __call__(self, state: State, ssr: float = 1.0) -> float:
        """Multiplier at the run's present token; ``ssr`` stretches the schedule, as in Composer's own."""
        return self.multiplier(int(state.timestamp.token.value / ssr))
