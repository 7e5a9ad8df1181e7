"""Rotation against transformers' formula, with its gradient."""

import pytest
import torch
from transformers.models.modernbert.modeling_modernbert import apply_rotary_pos_emb

from mmbert_composer.models.rotary import rotary_tables, split_rotated


def test_rotation_equals_transformers_and_values_pass_through():
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(6, 3, 2, 8, dtype=torch.float64, generator=generator, requires_grad=True)
    inv_freq = 100.0 ** -(torch.arange(4, dtype=torch.float64) / 4)
    positions = torch.tensor([0, 1, 2, 0, 1, 2])
    tables = rotary_tables(inv_freq, positions, 2, torch.float64)
    q, k, v = split_rotated(qkv, *tables)

    angles = positions[:, None] * inv_freq
    cos, sin = (torch.cat([table, table], -1)[None] for table in (angles.cos(), angles.sin()))
    heads_first = [x.transpose(0, 1)[None] for x in qkv.unbind(1)]  # [1, N, T, H]
    for ours, theirs in zip((q, k), apply_rotary_pos_emb(*heads_first[:2], cos, sin), strict=True):
        torch.testing.assert_close(ours, theirs[0].transpose(0, 1))
    assert torch.equal(v, qkv[:, 2])
    assert torch.equal(q[0], qkv[0, 0])  # position 0 is not turned
    assert torch.autograd.gradcheck(lambda x: split_rotated(x, *tables), qkv)


@pytest.mark.parametrize("compile", [False, True])
def test_queries_and_keys_keep_the_type_of_the_projection(compile: bool):
    turn = torch.compile(split_rotated, backend="eager") if compile else split_rotated
    tables = rotary_tables(torch.ones(4), torch.arange(6), 2, torch.float32)
    q, k, v = turn(torch.ones(6, 3, 2, 8, dtype=torch.bfloat16), *tables)
    assert q.dtype == k.dtype == v.dtype == torch.bfloat16
