"""Fixtures: small real models, their tokenizer, checkpoints and run folders; named in ``pytest_plugins`` by tests."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
PHASES = [
    {"name": "pretrain", "mask_ratio": 0.3, "max_seq_len": 128, "rope_theta": 10_000},
    {"name": "ext", "mask_ratio": 0.15, "max_seq_len": 256, "rope_theta": 160_000},
    {"name": "decay", "mask_ratio": {"from": 0.15, "to": 0.05}, "max_seq_len": 256, "rope_theta": 160_000},
]


@pytest.fixture
def tiny_tokenizer(tmp_path: Path) -> Path:
    """Folder of a tokenizer of 64 words, special ids as the project's."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = SPECIAL + [f"word{i}" for i in range(59)]
    fast = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    fast.pre_tokenizer = Whitespace()
    fast.post_processor = TemplateProcessing(single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )
    folder = tmp_path / "tiny-tokenizer"
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_config() -> Callable[..., Any]:
    """A function of overrides that makes the config of a model of hidden 32 and 4 layers, both kinds of attention."""

    def make(**overrides: Any) -> Any:
        from transformers import ModernBertConfig

        values = {
            "vocab_size": 64,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "max_position_embeddings": 256,
            "global_rope_theta": 10_000.0,
            "local_rope_theta": 10_000.0,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "sep_token_id": 1,
            "bos_token_id": 2,
            "cls_token_id": 2,
            "reference_compile": False,
        }
        return ModernBertConfig(**{**values, **overrides})

    return make


@pytest.fixture
def tiny_model(tiny_config: Callable[..., Any]) -> Callable[..., Any]:
    """A function of (seed, config overrides) that makes a ModernBertForMaskedLM with random weights of visible size."""

    def make(seed: int, **overrides: Any) -> Any:
        import torch
        from transformers import ModernBertForMaskedLM

        torch.manual_seed(seed)
        model = ModernBertForMaskedLM(tiny_config(**overrides))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
        return model.eval()

    return make


@pytest.fixture
def save_checkpoint() -> Callable[..., Path]:
    """A function that writes a checkpoint as Composer does, around a transformers model."""

    def save(folder: Path, model: Any, *, epoch: int, batch: int, token: int = 0) -> Path:
        import numpy as np
        import torch
        from torch.torch_version import TorchVersion

        timestamp = {"epoch": epoch, "batch": batch, "token": token, "total_wct": datetime.timedelta(seconds=3)}
        state = {
            "model": {f"model.{name}": tensor for name, tensor in model.state_dict().items()},
            "timestamp": {"Timestamp": timestamp},
            "metadata": {"torch_version": TorchVersion("2.7.0")},
        }
        rng = [{"numpy": ("MT19937", np.arange(5, dtype=np.uint32), 624, 0, 0.0), "python": (3, (1, 2), None)}]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"ep{epoch}-ba{batch}-rank0.pt"
        torch.save({"state": state, "rng": rng}, path)
        return path

    return save


@pytest.fixture
def save_run(tiny_tokenizer: Path, tiny_config: Callable[..., Any]) -> Callable[..., Path]:
    """A function that writes a run folder without checkpoints: segments of 4 blocks of 256 slots, phases as given."""

    def save(
        run: Path,
        phases: list[dict[str, Any]] = PHASES,
        segments: tuple[int, ...] = (1, 1, 2),
        **config: Any,
    ) -> Path:
        run.mkdir(parents=True)
        (run / "model_config.json").write_text(json.dumps(tiny_config().to_dict()))
        (run / "tokenizer").mkdir()
        for file in tiny_tokenizer.iterdir():
            (run / "tokenizer" / file.name).write_bytes(file.read_bytes())
        (run / "config.yaml").write_text(yaml.safe_dump({"curriculum": {"phases": phases}, **config}))
        rows = [
            {"phase": phase["name"], "blocks": [4, 0] if number == 0 else [2, 2]}
            for number, (phase, count) in enumerate(zip(phases, segments, strict=True))
            for _ in range(count)
        ]
        plan = {"format": 1, "block_size": 256, "segment_blocks": 4, "data_seed": 0, "streams": ["web/eng", "web/swh"]}
        (run / "plan.json").write_text(json.dumps({**plan, "segments": rows}))
        return run

    return save
