"""Languages and tau: which streams a segment draws from, with the cursors that make the next run go on."""

import logging
from typing import Any

import numpy as np
from composer.core import Callback, State
from composer.loggers import Logger

from mmbert_composer.callbacks.train_loader import train_loader
from mmbert_composer.curriculum import Curriculum, SegmentPlan
from mmbert_composer.errors import UserError

log = logging.getLogger(__name__)


class LanguageAnnealing(Callback):
    """Logs the mixture of each segment and owns the cursors of the streams.

    The plan is in the dataset from its construction: languages join by getting a share above zero, nothing
    is swapped. Saved with every checkpoint: the blocks drawn of each stream up to the end of the segment
    being trained (what ``load_as: continue`` starts from) and the plan's chain up to there, which a resume
    compares.

    | key | value |
    | --- | --- |
    | ``language_annealing/languages`` | streams with a share above zero in this segment |
    | ``language_annealing/joined`` | streams drawn from for the first time in this segment |
    | ``language_annealing/tau/<source>`` | tau in p_i ~ n_i ** tau in this segment |
    """

    def __init__(self, curriculum: Curriculum) -> None:
        self.curriculum = curriculum
        self._touched = 0
        self._loaded: dict[str, Any] | None = None
        self._plan: SegmentPlan | None = None

    def fit_start(self, state: State, logger: Logger) -> None:
        self._plan = train_loader(state, "language_annealing").dataset.plan
        segments = self.curriculum.num_segments
        if self._plan.num_segments != segments:
            raise UserError(
                f"callback language_annealing: its curriculum has {segments} segments, the dataset's plan "
                f"{self._plan.num_segments}; give both the same curriculum"
            )
        if self._loaded is not None:
            self._check(self._loaded, self._plan)
        if int(state.timestamp.batch_in_epoch) != 0:  # EPOCH_START does not fire on a resume inside a segment
            self._enter(int(state.timestamp.epoch), logger)

    def epoch_start(self, state: State, logger: Logger) -> None:
        self._enter(int(state.timestamp.epoch), logger)

    def batch_start(self, state: State, logger: Logger) -> None:
        self._touched = int(state.timestamp.epoch) + 1

    def _enter(self, segment: int, logger: Logger) -> None:
        assert self._plan is not None
        if segment >= self._plan.num_segments:
            return
        drawn = self._plan.blocks[segment] > 0
        joined = np.flatnonzero(drawn & (self._plan.cursors_at(segment) == 0))
        metrics: dict[str, float] = {
            "language_annealing/languages": int(drawn.sum()),
            "language_annealing/joined": len(joined),
        }
        for source, tau in self.curriculum.tau_at(segment).items():
            metrics[f"language_annealing/tau/{source}"] = tau
        logger.log_metrics(metrics)
        phase = self._plan.phases[segment]
        if segment == 0 or phase != self._plan.phases[segment - 1]:
            rows = [number for number, name in enumerate(self._plan.phases) if name == phase]
            in_phase = self._plan.blocks[rows].sum(axis=0) > 0
            new = in_phase & (self._plan.cursors_at(segment) == 0)
            log.info("phase %s begins: %d streams, %d of them new", phase, in_phase.sum(), new.sum())

    def state_dict(self) -> dict[str, Any]:
        if self._plan is None:
            return {}
        return {
            "segment": self._touched,
            "chain": self._plan.chain[self._touched],
            "data_seed": self._plan.data_seed,
            "shuffle_window": self._plan.shuffle_window,
            "block_size": self._plan.block_size,
            "cursors": {
                name: int(drawn)
                for name, drawn in zip(self._plan.streams, self._plan.cursors_at(self._touched), strict=True)
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loaded = state or None
        self._touched = state.get("segment", 0)

    @staticmethod
    def _check(loaded: dict[str, Any], plan: SegmentPlan) -> None:
        segment = loaded["segment"]
        ours = plan.chain[segment] if segment <= plan.num_segments else "a shorter plan"
        if loaded["chain"] != ours:
            raise UserError(
                f"the checkpoint's plan differs from this run's: after {segment} segments its chain is "
                f"{loaded['chain']}, here {ours} (data.seed there {loaded['data_seed']}, here {plan.data_seed}). "
                f"Phases already trained must stay as they were; to go on with another plan use load_as: continue"
            )
