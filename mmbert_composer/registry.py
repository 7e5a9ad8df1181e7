"""What a YAML may name: callbacks, loggers, algorithms, schedulers. Open to other packages through entry points.

A package adds its own with ``[project.entry-points."mmbert_composer.callbacks"]``: ``my_name = "pkg.module:Class"``.
"""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from mmbert_composer.errors import UserError, did_you_mean

KINDS = ("callbacks", "loggers", "algorithms", "schedulers")


@dataclass(frozen=True)
class Entry:
    """A name of the YAML: ``target`` is "module:attribute", imported when it is used."""

    name: str
    target: str
    description: str

    def load(self) -> Any:
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


_CALLBACKS = "mmbert_composer.callbacks"
_OURS: dict[str, list[Entry]] = {
    "callbacks": [
        Entry("language_annealing", f"{_CALLBACKS}.language_annealing:LanguageAnnealing", "mixture of each segment"),
        Entry("mask_ratio", f"{_CALLBACKS}.mask_ratio:MaskRatio", "mask ratio over the token clock"),
        Entry("context_extension", f"{_CALLBACKS}.context_extension:ContextExtension", "sequence length, RoPE theta"),
        Entry("batch_size_warmup", f"{_CALLBACKS}.batch_size_warmup:BatchSizeWarmup", "batch size over the clock"),
        Entry("learning_rate", f"{_CALLBACKS}.learning_rate:LearningRate", "the phases' lr multipliers"),
        Entry("checkpoint_merging", f"{_CALLBACKS}.checkpoint_merging:CheckpointMerging", "merge the last checkpoints"),
        Entry("huggingface_export", f"{_CALLBACKS}.huggingface_export:HuggingFaceExport", "write hf/ at the end"),
        Entry("language_monitor", f"{_CALLBACKS}.language_monitor:LanguageMonitor", "tokens and losses by language"),
        Entry(
            "intrinsic_eval", f"{_CALLBACKS}.intrinsic_eval:IntrinsicEval", "held-out loss by group, bitext retrieval"
        ),
        Entry("packing_monitor", f"{_CALLBACKS}.packing_monitor:PackingMonitor", "fill and sequence lengths"),
        Entry("speed_report", f"{_CALLBACKS}.speed_report:SpeedReport", "tokens a second, MFU, memory"),
        Entry("sample_log", f"{_CALLBACKS}.sample_log:SampleLog", "which blocks were trained on (audit)"),
        Entry("nan_guard", f"{_CALLBACKS}.nan_guard:NanGuard", "skip or stop at a NaN or a spike, name the blocks"),
        Entry("speed_monitor", "composer.callbacks:SpeedMonitor", "Composer: throughput"),
        Entry("memory_monitor", "composer.callbacks:MemoryMonitor", "Composer: accelerator memory"),
        Entry("lr_monitor", "composer.callbacks:LRMonitor", "Composer: learning rates"),
        Entry("optimizer_monitor", "composer.callbacks:OptimizerMonitor", "Composer: gradient and moment norms"),
        Entry("runtime_estimator", "composer.callbacks:RuntimeEstimator", "Composer: time left"),
    ],
    "loggers": [
        Entry("tensorboard", "composer.loggers:TensorboardLogger", "event files for TensorBoard"),
        Entry("wandb", "composer.loggers:WandBLogger", "Weights & Biases"),
        Entry("file", "composer.loggers:FileLogger", "a plain text log"),
    ],
    "algorithms": [
        Entry("gradient_clipping", "composer.algorithms:GradientClipping", "clip gradients by norm or value"),
        Entry("ema", "composer.algorithms:EMA", "exponential moving average of weights while training"),
    ],
    "schedulers": [
        Entry("trapezoid", "mmbert_composer.optim.trapezoid:TrapezoidScheduler", "warm-up, constant, 1 - sqrt"),
        Entry("constant", "composer.optim:ConstantScheduler", "Composer: constant"),
        Entry("linear_with_warmup", "composer.optim:LinearWithWarmupScheduler", "Composer: linear with warm-up"),
        Entry(
            "cosine_with_warmup", "composer.optim:CosineAnnealingWithWarmupScheduler", "Composer: cosine with warm-up"
        ),
    ],
}


def entries(kind: str) -> dict[str, Entry]:
    """Name to entry of a kind, ours first, then those of other packages."""
    found = {entry.name: entry for entry in _OURS[kind]}
    for point in entry_points(group=f"mmbert_composer.{kind}"):
        package = point.dist.name if point.dist else "another package"
        found.setdefault(point.name, Entry(point.name, point.value, f"from {package}"))
    return found


def build(kind: str, name: str, options: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Any:
    """An object by its name; an option is a keyword argument of its class.

    ``given`` are arguments that the run itself supplies where the class takes them (curriculum, run_folder).

    Raises:
        UserError: an unknown name or option, with the nearest known.
    """
    known = entries(kind)
    if name not in known:
        raise UserError(f"unknown {kind[:-1]} {name!r}: {did_you_mean(name, list(known))}")
    target = known[name].load()
    accepted = _keyword_arguments(target)
    supplied = {key: value for key, value in (given or {}).items() if key in accepted and key not in options}
    free = [key for key in accepted if key not in (given or {})]
    for key in options:
        if key not in accepted:
            raise UserError(f"unknown key {kind}.{name}.{key}: {did_you_mean(key, free)}")
    try:
        return target(**options, **supplied)
    except UserError:
        raise
    except (TypeError, ValueError, ImportError) as error:
        raise UserError(f"{kind}.{name}: {error}") from error


def _keyword_arguments(target: Any) -> list[str]:
    return [name for name, p in inspect.signature(target).parameters.items() if p.kind not in (p.VAR_KEYWORD,)]
