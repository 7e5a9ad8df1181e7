"""``metrics.jsonl``: one line a step, one an evaluation; what the report is made from."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from composer.core import Event, State
from composer.loggers import Logger, LoggerDestination
from composer.utils import create_interval_scheduler, dist

from mmbert_composer.callbacks.append_lines import AppendedLines
from mmbert_composer.callbacks.held_out_per_stream import held_out_per_stream
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.curriculum.tokens import format_tokens

log = logging.getLogger(__name__)


class MetricsLog(LoggerDestination):
    """Writes ``<run_folder>/metrics.jsonl``.

    A step's line: ``batch`` (its number, from 1), ``token`` (the clock at its first token: slots, padding
    included, summed over ranks), ``tokens_real`` (real tokens trained on up to its end), ``phase``, ``loss``
    (mean over the global batch's masked tokens, nats), ``masked_accuracy``, ``lr``, ``mask_ratio``, ``tau``
    (source to tau), ``max_seq_len``, ``rope_theta``, ``batch_size`` (blocks), ``grad_norm``, what speed_report
    measured (``tokens_per_second`` (slots), ``tokens_real_per_second``, ``padding``, ``tflops_per_device``, ``mfu``
    (null where the device's peak is not known), ``memory_gb``, ``memory_reserved_gb``) and the keys of packing_monitor.
    Scheduled values are those the callbacks applied. ``line_every`` (``50ba``) also logs a line for people.

    An evaluation's line: ``{"event": "eval", "batch", "token", "phase", "loss", "accuracy", "streams":
    {name: {"loss", "masked"}}, "sources": {...}}``. At language_monitor's intervals: ``{"event":
    "languages", "batch", "token", "streams": {name: {"blocks", "tokens_real"}}}``. A resumed process first
    writes ``{"event": "resume", "batch": n}``; of a step seen twice the last line counts. What else happens
    (``stop``, ...) is ``{"event", "batch", "token", ...}`` as well, see ``log_event``.
    """

    def __init__(self, run_folder: str | Path, curriculum: Curriculum, *, line_every: str | None = None) -> None:
        self.path = Path(run_folder) / "metrics.jsonl"
        self.curriculum = curriculum
        self.tokens_real = 0
        self._line_due = create_interval_scheduler(line_every, checkpoint_events=False) if line_every else None
        self._file: AppendedLines | None = None
        self._pending: dict[str, Any] = {}
        self._tau: dict[str, float] = {}
        self._step: dict[str, Any] = {}
        self._correct = 0.0
        self._masked = 0
        self._began_at = 0

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        self._pending.update(metrics)

    def fit_start(self, state: State, logger: Logger) -> None:
        self._note_start(state)
        if self._began_at and dist.get_global_rank() == 0:
            self._open()

    def eval_start(self, state: State, logger: Logger) -> None:
        self._note_start(state)  # a run may begin, or go on, with an evaluation

    def _note_start(self, state: State) -> None:
        if self._file is None:
            self._began_at = int(state.timestamp.batch)

    def log_event(self, row: Mapping[str, Any]) -> None:
        """Write a line of ``run_events.log_event``."""
        self._write(dict(row))

    def before_dataloader(self, state: State, logger: Logger) -> None:
        self._correct, self._masked = 0.0, 0

    def after_forward(self, state: State, logger: Logger) -> None:
        outputs = cast("Any", state.outputs)  # Composer names tensors alone
        if isinstance(outputs, Mapping) and "correct" in outputs:
            self._correct = self._correct + outputs["correct"].detach()
            self._masked += outputs["num_masked"]

    def after_train_batch(self, state: State, logger: Logger) -> None:
        gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        self._step = {
            "token": state.timestamp.token.value,
            "lr": float(state.optimizers[0].param_groups[0]["lr"]),
            "grad_norm": torch.linalg.vector_norm(norms),
            "tokens_real": sum(batch["tokens_real"] for batch in state.batch),
        }

    def batch_end(self, state: State, logger: Logger) -> None:
        step, pending = self._step, self._pending
        self._pending = {}
        sums = torch.tensor([float(self._correct), self._masked, step["tokens_real"]], dtype=torch.float64)
        sums = state.device.tensor_to_device(sums)
        dist.all_reduce(sums, reduce_operation="SUM")
        correct, masked, real = sums.tolist()
        self.tokens_real += int(real)
        self._tau.update(
            {
                key.removeprefix("language_annealing/tau/"): value
                for key, value in pending.items()
                if key.startswith("language_annealing/tau/")
            }
        )
        batch = int(state.timestamp.batch)
        row: dict[str, Any] = {
            "batch": batch,
            "token": step["token"],
            "tokens_real": self.tokens_real,
            "phase": self.curriculum.phase_at(step["token"]).name,
            "loss": pending.get("loss/train/total"),
            "lr": step["lr"],
            "grad_norm": float(step["grad_norm"]),
            "tau": {source: self._tau[source] for source in self.curriculum.phase_at(step["token"]).mixture}
            if self._tau
            else {},
            "masked_accuracy": correct / max(1.0, masked),
        }
        for key in ("mask_ratio", "max_seq_len", "batch_size"):
            if f"curriculum/{key}" in pending:
                row[key] = pending[f"curriculum/{key}"]
        if "curriculum/rope_theta_global" in pending:
            theta = (pending["curriculum/rope_theta_global"], pending["curriculum/rope_theta_local"])
            row["rope_theta"] = theta[0] if theta[0] == theta[1] else {"global": theta[0], "local": theta[1]}
        speed = {key.removeprefix("speed/"): value for key, value in pending.items() if key.startswith("speed/")}
        row.update({"mfu": None} | speed if speed else {})
        row.update({key: value for key, value in pending.items() if key.startswith("packing/")})
        self._write(row)
        if self._line_due is not None and dist.get_global_rank() == 0 and self._line_due(state, Event.BATCH_END):
            log.info(
                "step %d, %s of %s tokens, phase %s: loss %.3f%s",
                batch,
                format_tokens(state.timestamp.token.value),
                format_tokens(self.curriculum.total_tok),
                row["phase"],
                row["loss"],
                _speed(row),
            )
        languages = _by_stream(pending, ("blocks", "tokens_real"))
        if languages:
            self._write({"event": "languages", "batch": batch, "token": state.timestamp.token.value} | languages)

    def eval_end(self, state: State, logger: Logger) -> None:
        results = held_out_per_stream(state)
        if "HeldOutLoss" not in results:
            return
        losses, accuracies = results["HeldOutLoss"], results.get("HeldOutAccuracy", {})
        sources: dict[str, dict[str, tuple[float, int]]] = {}
        for name, result in losses.items():
            sources.setdefault(name.split("/", 1)[0], {})[name] = result
        token = state.timestamp.token.value
        self._write(
            {
                "event": "eval",
                "batch": int(state.timestamp.batch),
                "token": token,
                "phase": self.curriculum.phase_at(max(0, token - 1)).name,
                "loss": _mean(losses)[0],
                "accuracy": _mean(accuracies)[0],
                "streams": {name: {"loss": mean, "masked": count} for name, (mean, count) in losses.items()},
                "sources": {
                    name: dict(zip(("loss", "masked"), _mean(result), strict=True)) for name, result in sources.items()
                },
            }
        )

    def _write(self, row: dict[str, Any]) -> None:
        if dist.get_global_rank() != 0:
            return
        self._open().write(row)

    def _open(self) -> AppendedLines:
        """The file; a process that finds lines in it first says at which step it goes on (0: from the start)."""
        if self._file is None:
            self._file = AppendedLines(self.path)
            if self._file.continues or self._began_at:
                self._file.write({"event": "resume", "batch": self._began_at})
        return self._file

    def state_dict(self) -> dict[str, Any]:
        return {"tokens_real": self.tokens_real}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.tokens_real = state["tokens_real"]

    def close(self, state: State, logger: Logger) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _speed(row: Mapping[str, Any]) -> str:
    """``, 12,340 tokens/s (2.1 % padding), MFU 41 %, 12.3 GB`` of a step's line, or nothing without speed_report."""
    if "tokens_per_second" not in row:
        return ""
    mfu = "" if row["mfu"] is None else f", MFU {row['mfu']:.0%}"
    speed, padding, memory = row["tokens_per_second"], row["padding"], row["memory_gb"]
    return f", {speed:,.0f} tokens/s ({padding:.1%} padding){mfu}, {memory:.1f} GB"


def _mean(results: Mapping[str, tuple[float, int]]) -> tuple[float, int]:
    """Token-weighted mean and the number of tokens."""
    count = sum(number for _, number in results.values())
    return sum(mean * number for mean, number in results.values()) / max(1, count), count


def _by_stream(pending: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """``language/<stream>/<key>`` entries as {"streams": {stream: {key: value}}}, or nothing."""
    streams: dict[str, dict[str, Any]] = {}
    for name, value in pending.items():
        stream, _, key = name.removeprefix("language/").rpartition("/")
        if name.startswith("language/") and key in keys:
            streams.setdefault(stream, {})[key] = value
    return {"streams": streams} if streams else {}
