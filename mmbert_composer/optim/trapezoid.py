"""Warm-up, constant, 1 - sqrt decay: the learning rate of mmBERT and ModernBERT."""

import math

from composer.core import Time, TimeUnit

from mmbert_composer.errors import UserError
from mmbert_composer.optim.token_schedule import TokenSchedule


def trapezoid(token: int, warmup_tok: int, total_tok: int, decay_tok: int, floor: float) -> float:
    """Multiplier of the learning rate at ``token``.

    Rises linearly from 0 over ``warmup_tok``, stays 1, and over the last ``decay_tok`` of ``total_tok`` falls as
    floor + (1 - floor) (1 - sqrt(share of the decay done)); ``floor`` from there on. With a warm-up of 100, a total
    of 1,000, a decay of 400 and floor 0: 0.5 at 50, 1 at 600, 0.5 at 700, 0 at 1,000.

    Source: Hägele et al. 2024 (arXiv:2405.18392); floor 0.02 in mmBERT's decay.
    """
    if token < warmup_tok:
        return token / warmup_tok
    begin = total_tok - decay_tok
    if token < begin or decay_tok == 0:
        return 1.0
    done = min(1.0, (token - begin) / decay_tok)
    return floor + (1 - floor) * (1 - math.sqrt(done))


class TrapezoidScheduler(TokenSchedule):
    """``trapezoid`` as a scheduler that a YAML can name.

    Args:
        t_warmup: length of the warm-up, such as ``3_000_000_000tok``.
        t_max: length of the run.
        t_decay: length of the decay at its end.
        floor: multiplier at the end, in [0, 1].

    Raises:
        UserError: a time that is not in tokens, or phases longer than the run.
    """

    def __init__(self, t_warmup: str | int, t_max: str | int, t_decay: str | int, floor: float = 0.0) -> None:
        warmup, total, decay = _tokens("t_warmup", t_warmup), _tokens("t_max", t_max), _tokens("t_decay", t_decay)
        if warmup + decay > total:
            raise UserError(
                f"scheduler: t_warmup={t_warmup} and t_decay={t_decay} together are longer than t_max={t_max}"
            )
        if not 0 <= floor <= 1:
            raise UserError(f"scheduler: floor={floor} must be in [0, 1]")
        super().__init__(lambda token: trapezoid(token, warmup, total, decay, floor))


def _tokens(name: str, time: str | int) -> int:
    """Tokens of ``1_000tok`` or of a bare number."""
    if isinstance(time, int):
        value = time
    else:
        try:
            parsed = Time.from_timestring(time.replace("_", ""))
        except ValueError as error:
            raise UserError(f"scheduler: {name}={time!r} is no time: write it as 1_000tok") from error
        if parsed.unit != TimeUnit.TOKEN:
            raise UserError(f"scheduler: {name}={time!r} must be in tokens: write it as 1_000tok")
        value = int(parsed.value)
    if value < 0:
        raise UserError(f"scheduler: {name}={time} must not be negative")
    return value
