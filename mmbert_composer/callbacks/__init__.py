"""Callbacks for Composer's Trainer: the schedulers, the monitors, and what happens when training ends."""

from mmbert_composer.callbacks.batch_size_warmup import BatchSizeWarmup
from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.callbacks.context_extension import ContextExtension
from mmbert_composer.callbacks.huggingface_export import HuggingFaceExport
from mmbert_composer.callbacks.language_annealing import LanguageAnnealing
from mmbert_composer.callbacks.language_monitor import LanguageMonitor
from mmbert_composer.callbacks.learning_rate import LearningRate
from mmbert_composer.callbacks.mask_ratio import MaskRatio
from mmbert_composer.callbacks.metrics_log import MetricsLog
from mmbert_composer.callbacks.nan_guard import NanGuard
from mmbert_composer.callbacks.packing_monitor import PackingMonitor
from mmbert_composer.callbacks.sample_log import SampleLog
from mmbert_composer.callbacks.speed_report import SpeedReport

__all__ = [
    "BatchSizeWarmup",
    "CheckpointMerging",
    "ContextExtension",
    "HuggingFaceExport",
    "LanguageAnnealing",
    "LanguageMonitor",
    "LearningRate",
    "MaskRatio",
    "MetricsLog",
    "NanGuard",
    "PackingMonitor",
    "SampleLog",
    "SpeedReport",
]
