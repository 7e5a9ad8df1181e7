"""Held-out text of prepared data: its loss as training measures it, or as documents for any other model."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from mmbert_composer.data.block_shard import read_index
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.data.manifest import MANIFEST_NAME, TOKENIZER_FOLDER, load_manifest
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.script_of import NO_SCRIPT, script_of
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument
from mmbert_composer.export.model_source import open_model
from mmbert_composer.export.source_model import fits_data, source_model
from mmbert_composer.models.held_out_accuracy import HeldOutAccuracy
from mmbert_composer.models.held_out_loss import HeldOutLoss


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
        return fits_data(open_model(model), data)
    except UserError:
        return False


@torch.inference_mode()
def held_out_block_losses(model: str | Path, data: str | Path, blocks_per_stream: int = 64) -> dict[str, StreamLoss]:
    """Stream to the loss on its held-out blocks: the blocks, masks and packed forward of training's held-out loss.

    Sequences are cut at the longest that the model was trained on. Streams without held-out text are left out.
    """
    source = open_model(model)
    loader = HeldOutLoader.of_all_streams(data, source.files.max_seq_len, blocks_per_stream)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    packed = source_model(source).to(device)
    losses, accuracies = HeldOutLoss(loader.streams).to(device), HeldOutAccuracy(loader.streams).to(device)
    for batch in loader:
        moved = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
        outputs = packed.eval_forward(moved)
        losses.update(moved, outputs)
        accuracies.update(moved, outputs)
    right = accuracies.per_stream()
    return {name: StreamLoss(loss, right[name][0], masked) for name, (loss, masked) in losses.per_stream().items()}


def held_out_documents(data: Path, streams: Collection[str] | None = None) -> Iterator[TextDocument]:
    """The held-out sequences of ``data`` as text (parts of the documents, where long ones were cut), of ``streams``."""
    manifest = load_manifest(data)
    tokenizer = Tokenizer.from_file(str(data / TOKENIZER_FOLDER / "tokenizer.json"))
    row = np.empty(manifest.block_size, np.uint32)
    for name, entry in manifest.streams.items():
        if not entry.heldout_blocks or (streams is not None and name not in streams):
            continue
        source, _, language = name.rpartition("/")
        for shard in read_index(manifest.heldout_folder(name), manifest.block_size):
            for number in range(shard.samples):
                bounds = shard.read(number, row)
                for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                    if text := tokenizer.decode(row[start:end].tolist(), skip_special_tokens=True).strip():
                        yield TextDocument(text, language, source)


def stream_scripts(data: Path, streams: Collection[str]) -> dict[str, str]:
    """Stream to the script of the first held-out text that has letters."""
    scripts: dict[str, str] = {}
    for document in held_out_documents(data, streams):
        if scripts.get(document.stream, NO_SCRIPT) == NO_SCRIPT:
            scripts[document.stream] = script_of(document.text)
    return scripts
