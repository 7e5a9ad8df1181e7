"""What each language has been given so far, and its held-out loss."""

from typing import Any

import torch
from composer.core import Callback, Event, State
from composer.loggers import Logger
from composer.utils import create_interval_scheduler, dist

from mmbert_composer.callbacks.held_out_per_stream import held_out_per_stream
from mmbert_composer.callbacks.train_loader import train_loader
from mmbert_composer.curriculum.interval import parse_interval


class LanguageMonitor(Callback):
    """Counts blocks and real tokens served of every stream, over all ranks and restarts.

    Args:
        interval: how often they are logged: ``100ba`` or ``1_000_000tok``.

    | key | value |
    | --- | --- |
    | ``language/<source>/<language>/blocks`` | blocks served since the run began |
    | ``language/<source>/<language>/tokens_real`` | real tokens in them |
    | ``language/<source>/<language>/held_out_loss`` | mean held-out loss at the latest evaluation |
    """

    def __init__(self, interval: str = "100ba") -> None:
        interval = parse_interval(interval, "language_monitor: interval")
        self._is_due = create_interval_scheduler(interval, checkpoint_events=False)
        self._loaded: dict[str, Any] = {}
        self.streams: tuple[str, ...] = ()
        self.served: torch.Tensor | None = None
        """[2, streams] int64: blocks and real tokens."""

    def fit_start(self, state: State, logger: Logger) -> None:
        self.streams = train_loader(state, "language_monitor").dataset.plan.streams
        self.served = torch.zeros(2, len(self.streams), dtype=torch.int64)
        for number, name in enumerate(self.streams):
            self.served[:, number] = torch.tensor(self._loaded.get(name, [0, 0]))

    def batch_end(self, state: State, logger: Logger) -> None:
        assert self.served is not None
        step = torch.zeros_like(self.served)
        for blocks in train_loader(state, "language_monitor").served:
            streams = torch.from_numpy(blocks.stream)
            step[0].index_add_(0, streams, torch.ones(len(streams), dtype=torch.int64))
            step[1].index_add_(0, streams, torch.tensor([int(ends[-1]) for ends in blocks.cu_seqlens]))
        step = state.device.tensor_to_device(step)
        dist.all_reduce(step, reduce_operation="SUM")
        self.served += step.cpu()
        assert state.max_duration is not None
        if self._is_due(state, Event.BATCH_END) or state.timestamp >= state.max_duration:
            logger.log_metrics(self._metrics())

    def eval_end(self, state: State, logger: Logger) -> None:
        losses = held_out_per_stream(state).get("HeldOutLoss", {})
        logger.log_metrics({f"language/{name}/held_out_loss": mean for name, (mean, _) in losses.items()})

    def _metrics(self) -> dict[str, float]:
        assert self.served is not None
        metrics: dict[str, float] = {}
        for name, blocks, tokens in zip(self.streams, *self.served.tolist(), strict=True):
            if blocks:
                metrics[f"language/{name}/blocks"] = blocks
                metrics[f"language/{name}/tokens_real"] = tokens
        return metrics

    def state_dict(self) -> dict[str, Any]:
        if self.served is None:
            return {}
        return {"served": dict(zip(self.streams, self.served.T.tolist(), strict=True))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loaded = state.get("served", {})
