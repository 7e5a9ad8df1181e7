"""Held-out text of prepared data: its loss as training measures it, or as documents for any other model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import ModernBertConfig

from mmbert_composer.data.block_shard import read_index
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.data.manifest import MANIFEST_NAME, load_manifest
from mmbert_composer.data.tokenizer_files import tokenizer_hash
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument
from mmbert_composer.export.export_config import export_config
from mmbert_composer.export.model_source import open_model
from mmbert_composer.models.held_out_accuracy import HeldOutAccuracy
from mmbert_composer.models.held_out_loss import HeldOutLoss
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

_TOKENS_AT_ONCE = 8192


@dataclass(frozen=True)
class StreamLoss:
    """Of one stream's held-out blocks: ``loss`` in nats per masked token, ``accuracy`` in 0..1."""

    loss: float
    accuracy: float
    masked: int


def is_prepared(data: Path) -> bool:
    """Whether ``data`` is a folder that ``mmbert prepare`` wrote."""
    return (data / MANIFEST_NAME).is_file()


def fits_blocks(model: str | Path, data: str | Path) -> bool:
    """Whether ``model`` is a ModernBERT folder with the tokenizer that the blocks of ``data`` were made with."""
    try:
        return tokenizer_hash(open_model(model).files.tokenizer) == load_manifest(data).tokenizer_hash
    except UserError:
        return False


@torch.inference_mode()
def held_out_block_losses(model: str | Path, data: str | Path, blocks_per_stream: int = 64) -> dict[str, StreamLoss]:
    """Stream to the loss on its held-out blocks: the blocks, masks and packed forward of training's held-out loss.

    Sequences are cut at the longest that the model was trained on. Streams without held-out text are left out.
    """
    manifest = load_manifest(data)
    source = open_model(model)
    loader = HeldOutLoader(
        data,
        list(manifest.streams),
        batch_size=max(1, _TOKENS_AT_ONCE // manifest.block_size),
        blocks_per_stream=blocks_per_stream,
        max_seq_len=min(manifest.block_size, source.files.max_seq_len),
    )
    files = source.files
    config = ModernBertConfig(**export_config(files.config, files.rope_theta, files.max_seq_len, torch.float32))
    packed = ModernBertMLM(config, compile=False).eval()
    packed.model.load_state_dict(source.weights(), strict=not config.tie_word_embeddings)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    packed.to(device)
    losses, accuracies = HeldOutLoss(loader.streams).to(device), HeldOutAccuracy(loader.streams).to(device)
    for batch in loader:
        moved = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
        outputs = packed.eval_forward(moved)
        losses.update(moved, outputs)
        accuracies.update(moved, outputs)
    right = accuracies.per_stream()
    return {name: StreamLoss(loss, right[name][0], masked) for name, (loss, masked) in losses.per_stream().items()}


def held_out_documents(data: Path) -> Iterator[TextDocument]:
    """The held-out sequences of ``data`` as text: what is left of the documents where long ones were cut."""
    manifest = load_manifest(data)
    tokenizer = Tokenizer.from_file(str(data / "tokenizer" / "tokenizer.json"))
    row = np.empty(manifest.block_size, np.uint32)
    for name, entry in manifest.streams.items():
        if not entry.heldout_blocks:
            continue
        source, _, language = name.rpartition("/")
        for shard in read_index(manifest.heldout_folder(name), manifest.block_size):
            for number in range(shard.samples):
                bounds = shard.read(number, row)
                for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                    if text := tokenizer.decode(row[start:end].tolist(), skip_special_tokens=True).strip():
                        yield TextDocument(text, language, source)
