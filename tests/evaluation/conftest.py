"""Fixtures: a tiny real encoder as an export would be, and data of every task's schema."""

from pathlib import Path

import pytest

from tests.evaluation.tiny_benchmarks import WORDS, write_benchmarks


def save_tiny_encoder(folder: Path, **overrides: object) -> Path:
    """A ModernBERT of hidden 32 and 2 layers with a tokenizer of the project's kind."""
    import torch
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    from mmbert_composer.data.tokenizer import train_tokenizer

    train_tokenizer((" ".join(WORDS[start:] + WORDS[:start]) for start in range(len(WORDS))), 544, folder)
    torch.manual_seed(0)
    values = {
        "vocab_size": 576,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "sep_token_id": 1,
        "bos_token_id": 2,
        "cls_token_id": 2,
    }
    ModernBertForMaskedLM(ModernBertConfig(**{**values, **overrides})).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny encoder. Never written to by a test."""
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="session")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows of every fine-tuned task, as ``--data`` takes it. Never written to by a test."""
    from mmbert_composer.evaluation.all_tasks import TASKS

    return write_benchmarks(tmp_path_factory.mktemp("benchmarks"), TASKS)
