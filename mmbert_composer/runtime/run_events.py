"""What happens to a run besides its steps, told to those loggers that keep it."""

from typing import Any

from composer.core import State
from composer.loggers import Logger


def log_event(logger: Logger, event: str, state: State, **facts: Any) -> None:
    """Give ``{"event": event, "batch", "token", **facts}`` to every logger with a ``log_event``, as MetricsLog has.

    ``batch`` and ``token`` are the clock's, unless ``facts`` has them.
    """
    row = {"event": event, "batch": int(state.timestamp.batch), "token": int(state.timestamp.token)}
    for destination in logger.destinations:
        take = getattr(destination, "log_event", None)
        if take is not None:
            take(row | facts)
