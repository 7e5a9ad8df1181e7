"""Counted FLOPs against hand-worked numbers and against what torch counts in real modules."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import ModernBertForMaskedLM

from mmbert_composer.models.flops import attended_pairs, step_flops

pytest_plugins = ("tiny_models",)


@pytest.mark.parametrize(
    ("lengths", "window", "pairs"),
    [
        ([4], None, 16),
        ([4], 2, 10),  # 2 + 3 + 3 + 2
        ([4], 8, 16),  # the window is wider than the sequence
        ([4, 1, 3], 2, 10 + 1 + 7),
        ([], 2, 0),
        ([200], 128, sum(min(i, 64) + 1 + min(199 - i, 64) for i in range(200))),
    ],
)
def test_pairs_that_see_each_other(lengths, window, pairs):
    assert attended_pairs(lengths, window) == pairs


def test_mmbert_base_by_hand(tiny_config):
    """22 layers of 768: 4 x 768^2 + 3 x 768 x 1152 = 5.01M parameters each; one sequence of 8,192, 15 % masked."""
    config = tiny_config(
        vocab_size=256_000,
        hidden_size=768,
        intermediate_size=1152,
        num_hidden_layers=22,
        num_attention_heads=12,
    ).to_dict()
    flops = step_flops(config, [8192], 1229)
    assert flops.encoder == 6 * 22 * 5_013_504 * 8192
    assert flops.attention == 12 * 768 * (8 * 8192**2 + 14 * (8192 * 129 - 64 * 65))
    assert flops.head == 6 * 1229 * (768 * 768 + 768 * 256_000)
    assert flops.total == flops.encoder + flops.attention + flops.head


def test_is_what_torch_counts_in_a_step(tiny_config):
    """transformers, one sequence, all tokens masked, window wider than the sequence: nothing is computed twice.

    Eager attention is made of plain products, which torch counts one by one. Besides, it counts the head width for
    each position of a layer: the rotary angles are an outer product of half of it.
    """
    length = 24
    config = tiny_config(local_attention=64)
    torch.manual_seed(0)
    model = ModernBertForMaskedLM._from_config(config, attn_implementation="eager")
    ids = torch.randint(5, 64, (1, length))
    with FlopCounterMode(display=False) as counted:
        model(input_ids=ids, labels=ids).loss.backward()
    angles = config.num_hidden_layers * length * config.hidden_size // config.num_attention_heads
    assert counted.get_total_flops() - angles == step_flops(config.to_dict(), [length], length).total
