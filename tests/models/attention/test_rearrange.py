"""Rearrangements against torch's own indexing, with gradients."""

import torch

from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.rearrange import collect, spread, with_neighbours


def test_spread_and_collect_are_inverse_with_the_gradients_of_indexing():
    groups = PackedLayout(torch.tensor([0, 5, 9, 10, 15], dtype=torch.int32), 5, 15).groups
    assert len(groups.padding) > 0
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(15, 2, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    padded = spread(x, groups)
    assert torch.equal(padded, x[groups.token])
    assert torch.equal(collect(padded, groups), x)
    assert torch.autograd.gradcheck(lambda y: collect(y, groups), padded.detach().requires_grad_())
    assert torch.autograd.gradcheck(lambda y: collect(spread(y, groups) * 2, groups), x)


def test_neighbours_by_hand_and_their_gradient():
    x = torch.arange(1.0, 7.0, dtype=torch.float64).view(3, 2, 1)
    assert with_neighbours(x, 1).squeeze(2).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 0]]
    assert with_neighbours(x, 0).equal(x)
    for half in (0, 1, 2):
        assert torch.autograd.gradcheck(lambda y, half=half: with_neighbours(y, half), x.clone().requires_grad_())
