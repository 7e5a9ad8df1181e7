"""Bad steps are skipped or stop the run, and the blocks that made them are named."""

import functools
import logging
import math
import statistics
from typing import Any

import torch
from composer.core import Callback, Precision, State
from composer.loggers import Logger
from composer.utils import dist
from torch.optim import Optimizer

from mmbert_composer.callbacks.train_loader import train_loader
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.run_events import log_event

log = logging.getLogger(__name__)

HISTORY = 128
"""Steps whose median loss a spike is measured by."""
FIRST = 32
"""Steps before which nothing is a spike."""
NAMED = 8
"""Blocks that a message names; metrics.jsonl has all."""


class NanGuard(Callback):
    """Catches a loss or gradient that is not finite, or a loss that spikes, before the optimizer takes it.

    A caught step is skipped on all ranks: weights and optimizer stay as they were, the clock moves on, its blocks
    count as trained on. One more than ``skip`` of them within ``within`` steps stops the run, with exit code 1 and
    without a checkpoint; the newest one is from before. Either way the blocks are named: those of the micro-batches
    whose own loss is not finite, else all of the step by falling loss, as (stream, index in it, visit). Under
    ``precision: amp_fp16`` gradients that are not finite are left to the gradient scaler, which skips them.

    Args:
        skip: bad steps to skip within ``within`` steps; 0 stops at the first.
        spike: a loss above ``spike`` times the median of the last 128 steps (32 at least) is bad too; None: none is.
            Where a phase begins the loss may rise with the mask ratio and new languages: 2 or more is meant.
        within: steps over which skipped ones are counted.

    | key | value |
    | --- | --- |
    | ``nan_guard/skipped`` | steps skipped since the run began |

    Each is also ``{"event": "bad_step", "reason", "loss", "grad_norm", "skipped", "samples"}`` in metrics.jsonl.
    """

    def __init__(self, skip: int = 0, spike: float | None = None, within: int = 1000) -> None:
        for name, value, lowest in (("skip", skip, 0), ("within", within, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise UserError(f"callbacks.nan_guard.{name}={value!r} must be a whole number, at least {lowest}")
        if spike is not None and (isinstance(spike, bool) or not isinstance(spike, int | float) or spike <= 1):
            raise UserError(f"callbacks.nan_guard.spike={spike!r} must be a factor above 1, or null")
        self.skip, self.spike, self.within = skip, spike, within
        self.skipped: list[int] = []
        """The steps skipped so far, of the last ``within``."""
        self.total = 0
        self.losses: list[float] = []
        """Of the last good steps."""
        self._micro_batches: list[torch.Tensor] = []
        self._bad = False

    def fit_start(self, state: State, logger: Logger) -> None:
        for optimizer in state.optimizers:
            if getattr(optimizer, "_step_supports_amp_closure", False):
                raise UserError(
                    f"callback nan_guard: {type(optimizer).__name__} evaluates a step twice; it cannot skip"
                )
            self._let_skip(optimizer)

    def before_train_batch(self, state: State, logger: Logger) -> None:
        self._micro_batches, self._bad = [], False

    def after_loss(self, state: State, logger: Logger) -> None:
        assert isinstance(state.loss, torch.Tensor)
        loss = state.loss.detach().double().mean()
        self._micro_batches.append(torch.stack([loss, loss.new_tensor(state.batch["num_masked"])]))

    def after_train_batch(self, state: State, logger: Logger) -> None:
        losses = torch.stack(self._micro_batches)  # [micro-batches, 2]: mean loss and masked tokens
        gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))).double()
        sums = torch.stack([(losses[:, 0] * losses[:, 1]).sum(), losses[:, 1].sum(), norm])
        dist.all_reduce(sums, reduce_operation="SUM")  # one verdict for all ranks, whatever each has seen
        total, masked, norms = sums.tolist()
        loss, grad_norm = total / max(1.0, masked), norms / dist.get_world_size()
        reason = self._reason(loss, grad_norm, scaled=state.precision == Precision.AMP_FP16)
        if reason is None:
            self.losses = [*self.losses, loss][-HISTORY:]
        else:
            self._take(reason, loss, grad_norm, losses[:, 0].tolist(), state, logger)

    def batch_end(self, state: State, logger: Logger) -> None:
        logger.log_metrics({"nan_guard/skipped": self.total})

    def _reason(self, loss: float, grad_norm: float, *, scaled: bool) -> str | None:
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(grad_norm) and not scaled:
            return f"the gradient's norm is {grad_norm}"
        if self.spike is not None and len(self.losses) >= FIRST:
            median = statistics.median(self.losses)
            if loss > self.spike * median:
                return f"the loss is {loss:.3f}, more than {self.spike:g} times the median {median:.3f}"
        return None

    def _take(self, reason: str, loss: float, grad_norm: float, own: list[float], state: State, logger: Logger) -> None:
        step = int(state.timestamp.batch) + 1  # as metrics.jsonl counts: the clock moves on at the step's end
        suspects = self._suspects(state, own)
        self.skipped = [batch for batch in self.skipped if batch > step - self.within]
        skips = len(self.skipped) < self.skip
        log_event(
            logger,
            "bad_step",
            state,
            batch=step,
            reason=reason,
            loss=loss if math.isfinite(loss) else str(loss),
            grad_norm=grad_norm if math.isfinite(grad_norm) else str(grad_norm),
            skipped=skips,
            samples=suspects,
        )
        named = ", ".join(f"{name} block {index} (visit {visit})" for name, index, visit in suspects[:NAMED])
        more = f" and {len(suspects) - NAMED} more, see metrics.jsonl" if len(suspects) > NAMED else ""
        said = f"step {step}: {reason}; trained on {named}{more}"
        if not skips:
            raise UserError(
                f"{said}. {len(self.skipped)} of callbacks.nan_guard.skip={self.skip} steps were skipped before, so "
                f"the run stops; nothing of this step was taken or saved. Look at these blocks, or allow more: the "
                f"same command goes on from the newest checkpoint"
            )
        self._bad = True
        self.skipped.append(step)
        self.total += 1
        log.warning("%s. Skipped, %d of %d within %d steps", said, len(self.skipped), self.skip, self.within)

    def _suspects(self, state: State, losses: list[float]) -> list[tuple[str, int, int]]:
        """The blocks of all ranks that may be the cause: (stream, index, visit)."""
        loader = train_loader(state, "nan_guard")
        names = loader.dataset.plan.streams
        found: list[tuple[float, str, int, int]] = []
        for loss, blocks in zip(losses, loader.served, strict=True):
            for stream, index, visit in zip(blocks.stream, blocks.index, blocks.visit, strict=True):
                found.append((loss, names[int(stream)], int(index), int(visit)))
        if dist.get_world_size() > 1:
            found = [row for rows in dist.all_gather_object(found) for row in rows]
        broken = [row for row in found if not math.isfinite(row[0])]
        ranked = broken or sorted(found, key=lambda row: -row[0])
        return [(name, index, visit) for _, name, index, visit in ranked]

    def _let_skip(self, optimizer: Optimizer) -> None:
        """Make ``optimizer.step`` do nothing in a bad step; the verdict falls in its closure, where Composer trains."""
        original = optimizer.step

        @functools.wraps(original)
        def step(closure: Any = None, **options: Any) -> Any:
            if closure is None:
                return None if self._bad else original(**options)
            with torch.enable_grad():
                loss = closure()
            if not self._bad:
                original(**options)
            return loss

        optimizer.step = step

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": list(self.skipped), "total": self.total, "losses": list(self.losses)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.skipped, self.total = list(state["skipped"]), state["total"]
        self.losses = list(state["losses"])
