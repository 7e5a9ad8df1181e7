"""A base and models near it, with random weights, as Hugging Face folders.

``python -m benchmarks.merging.inputs FOLDER`` writes them in mmBERT-base's shapes, as a process of its own: its memory
is not that of the benchmark.
"""

import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import ModernBertConfig, ModernBertForMaskedLM, PreTrainedTokenizerFast

from benchmarks.merging.places import BASE, MODELS

BASE_SHAPE = {
    "vocab_size": 256_000,
    "hidden_size": 768,
    "intermediate_size": 1152,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
}
"""mmBERT-base: 307M parameters, 196.6M of them the embedding."""
SMALL_SHAPE = {
    "vocab_size": 1024,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}

_SPREAD, _STEP = 0.02, 0.001
"""Standard deviation of the base's weights, and of the models' differences from it."""


def write_inputs(folder: Path, shape: Mapping[str, Any] = BASE_SHAPE) -> None:
    """Write ``base``, ``m1``, ``m2`` and ``m3`` into ``folder``: float32 weights, config, one tokenizer."""
    ids = {"pad_token_id": 0, "eos_token_id": 1, "sep_token_id": 1, "bos_token_id": 2, "cls_token_id": 2}
    values: dict[str, Any] = {**shape, **ids, "reference_compile": False, "max_position_embeddings": 8192}
    config = ModernBertConfig(**values)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in ModernBertForMaskedLM(config).state_dict().items()}
    del shapes["decoder.weight"]  # tied to the embedding
    tokenizer = _tokenizer(shape["vocab_size"])
    for number, name in enumerate((BASE, *MODELS)):
        weights = {}
        for key, size in shapes.items():
            weights[key] = _noise(f"{key} {BASE}", size, _SPREAD)
            if key.endswith("norm.weight"):
                weights[key] += 1.0
            if number:
                weights[key] += _noise(f"{key} {name}", size, _STEP)
        (folder / name).mkdir(parents=True)
        save_file(weights, folder / name / "model.safetensors", metadata={"format": "pt"})
        content = {**config.to_dict(), "architectures": ["ModernBertForMaskedLM"], "dtype": "float32"}
        (folder / name / "config.json").write_text(json.dumps(content))
        tokenizer.save_pretrained(folder / name)


def _noise(purpose: str, size: torch.Size, scale: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(purpose.encode()))
    return torch.randn(size, generator=generator).mul_(scale)


def _tokenizer(vocab_size: int) -> PreTrainedTokenizerFast:
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    words += [f"word{number}" for number in range(vocab_size - len(words))]
    fast = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    fast.pre_tokenizer = Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )


if __name__ == "__main__":
    write_inputs(Path(sys.argv[1]))
