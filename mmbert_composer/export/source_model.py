"""Our model with the weights of a source, to measure with and not to train."""

from pathlib import Path

import torch
from transformers import ModernBertConfig

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.tokenizer_files import tokenizer_hash
from mmbert_composer.export.export_config import export_config
from mmbert_composer.export.model_source import ModelSource
from mmbert_composer.models.modernbert_mlm import ModernBertMLM


def fits_data(source: ModelSource, data: str | Path) -> bool:
    """Whether the blocks of ``data`` were made with the source's tokenizer."""
    return tokenizer_hash(source.files.tokenizer) == load_manifest(data).tokenizer_hash


def source_model(source: ModelSource) -> ModernBertMLM:
    """A float32 model on the CPU, eager and in eval mode, with the source's rotary bases and longest sequence."""
    files = source.files
    config = ModernBertConfig(**export_config(files.config, files.rope_theta, files.max_seq_len, torch.float32))
    model = ModernBertMLM(config, compile=False).eval()
    model.model.load_state_dict(source.weights(), strict=not config.tie_word_embeddings)
    return model
