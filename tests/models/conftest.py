"""Tiny models and packed batches."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from mmbert_composer.models.modernbert_config import RUN_KEYS, build_config
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

SPECIAL_IDS = {"pad": 0, "eos": 1, "bos": 2, "unk": 3, "mask": 4}
VOCAB = 256


@pytest.fixture
def make_model() -> Callable[..., ModernBertMLM]:
    """Model of 4 layers (0 and 3 global), weights large enough for differences to show."""

    def make(max_len: int = 1024, attention: str = "auto", seed: int = 0, **options: Any) -> ModernBertMLM:
        shape = {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "global_rope_theta": 160_000.0,
            "local_rope_theta": 10_000.0,
            "initializer_range": 0.1,
        }
        how = {key: options.pop(key) for key in RUN_KEYS if key in options}
        config = build_config(shape | options, VOCAB, SPECIAL_IDS, max_len)
        return ModernBertMLM(config, attention=attention, init_seed=seed, **how)

    return make


@pytest.fixture
def make_batch() -> Callable[..., dict[str, Any]]:
    """Packed batch of blocks, given the lengths of the sequences of each; tails are sequences of padding."""

    def make(
        blocks: Sequence[Sequence[int]], block_size: int, max_seqlen: int, mask_ratio: float = 0.3, seed: int = 0
    ) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed)
        rows = max(1, round(mask_ratio * block_size))
        input_ids, gather, labels, bounds = [], [], [], [0]
        for number, lengths in enumerate(blocks):
            real = sum(lengths)
            ids = torch.randint(5, VOCAB, (block_size,), generator=generator)
            ids[real:] = SPECIAL_IDS["pad"]
            tail = [min(max_seqlen, block_size - real - at) for at in range(0, block_size - real, max_seqlen)]
            for length in [*lengths, *tail]:
                bounds.append(bounds[-1] + length)
            masked = torch.randperm(real, generator=generator)[: max(1, round(mask_ratio * real))].sort().values
            block_gather, block_labels = torch.zeros(rows, dtype=torch.long), torch.full((rows,), -100)
            block_gather[: len(masked)] = masked + number * block_size
            block_labels[: len(masked)] = ids[masked]
            ids[masked] = SPECIAL_IDS["mask"]
            input_ids.append(ids)
            gather.append(block_gather)
            labels.append(block_labels)
        return {
            "input_ids": torch.cat(input_ids),
            "cu_seqlens": torch.tensor(bounds, dtype=torch.int32),
            "max_seqlen": max_seqlen,
            "gather": torch.cat(gather),
            "labels": torch.cat(labels),
            "num_masked": int((torch.cat(labels) != -100).sum()),
            "blocks": len(blocks),
            "streams": torch.arange(len(blocks)),
        }

    return make
