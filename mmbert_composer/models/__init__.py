"""The encoder: transformers' ModernBERT parameters with a forward of our own over packed batches."""

from mmbert_composer.models.modernbert_config import build_config
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

__all__ = ["ModernBertMLM", "build_config"]
