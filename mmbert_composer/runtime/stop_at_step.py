"""A run that was asked to stop ends after a step and its checkpoint, on all ranks after the same one.

Fault and signals: :mod:`mmbert_composer.runtime.stop_signals`. An evaluation that is due or under way is left for the
restart, which does it first: it can take longer than the grace of a scheduler.
"""

import logging
from typing import Any

import torch
from composer import Trainer
from composer.callbacks import CheckpointSaver
from composer.core import Callback, Event, State
from composer.loggers import Logger
from composer.utils import dist

from mmbert_composer.runtime.run_events import log_event
from mmbert_composer.runtime.stop_signals import StoppedError, StopSignals

log = logging.getLogger(__name__)


class StopAtStep(Callback):
    """Agrees on a stop at the end of every step and leaves once ``saver`` has done its part.

    It stands behind the saver in the list of callbacks. ``agreed``: the number of the signal that some rank has
    received, 0 for none; the saver saves when it is set. ``evaluation_owed``: the checkpoint's step was to be
    evaluated and was not.
    """

    def __init__(self, signals: StopSignals, saver: CheckpointSaver) -> None:
        self.signals = signals
        self.saver = saver
        self.agreed = 0
        self.evaluation_owed = False

    def fit_start(self, state: State, logger: Logger) -> None:
        self.signals.install()
        self.signals.deferred = True

    def batch_end(self, state: State, logger: Logger) -> None:
        self.evaluation_owed = False
        self._agree(state)

    def eval_batch_end(self, state: State, logger: Logger) -> None:
        if self.signals.deferred:
            self._agree(state)
            if self.agreed:
                raise EvaluationCutError

    def _agree(self, state: State) -> None:
        flag = state.device.tensor_to_device(torch.tensor([self.signals.received], dtype=torch.int32))
        dist.all_reduce(flag, reduce_operation="MAX")
        self.agreed = int(flag.item())

    def batch_checkpoint(self, state: State, logger: Logger) -> None:
        self._leave(state, logger)
        assert state.max_duration is not None
        if state.timestamp >= state.max_duration:  # what is left (merge, export, report) a restart does
            self.signals.end_deferral()

    def epoch_checkpoint(self, state: State, logger: Logger) -> None:
        self._leave(state, logger)

    def _leave(self, state: State, logger: Logger) -> None:
        if not self.agreed or self.saver.last_checkpoint_batch != state.timestamp.batch:
            return  # at a segment's end the saver waits for its close
        stopped = StoppedError(self.agreed)
        log.info(
            "stopped by %s after step %d: the same command goes on from the newest checkpoint (exit code %s)",
            stopped.signal,
            int(state.timestamp.batch),
            stopped.exit_code,
        )
        log_event(logger, "stop", state, signal=stopped.signal)
        raise stopped

    def state_dict(self) -> dict[str, Any]:
        return {"evaluation_owed": self.evaluation_owed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.evaluation_owed = state["evaluation_owed"]


class EvaluationCutError(Exception):
    """An evaluation ends early, because the run was asked to stop."""


class StoppableTrainer(Trainer):
    """A Trainer that passes over evaluations when ``stop_at_step``, one of its callbacks, was asked to stop."""

    stop_at_step: StopAtStep

    def _run_evaluators(self, event: Event) -> None:
        if self.stop_at_step.agreed:
            due = [evaluator.eval_interval(self.state, event) for evaluator in self.state.evaluators]  # pyright: ignore
            self.stop_at_step.evaluation_owed |= any(due)
            return
        loader, label, length = self.state.dataloader, self.state.dataloader_label, self.state.dataloader_len
        try:
            super()._run_evaluators(event)
        except EvaluationCutError:
            self.stop_at_step.evaluation_owed = True
            self.state.set_dataloader(loader, label)
            if length is not None:
                self.state.dataloader_len = length
