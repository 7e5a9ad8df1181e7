"""One gradient for a weight that is used twice."""

import torch
from torch.nn.functional import cross_entropy, embedding, linear

from mmbert_composer.models.tied_embedding import tied_embedding

IDS = torch.tensor([3, 0, 3, 5, 3])


def make_weight(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(8, 4, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_gradient_is_the_sum_of_both_uses():
    ours, plain = make_weight(), make_weight()
    labels = torch.tensor([1, 2, 3, 4, 5])
    rows, tied = tied_embedding(ours, IDS)
    loss = cross_entropy(linear(rows.tanh(), tied), labels)
    expected = cross_entropy(linear(embedding(IDS, plain).tanh(), plain), labels)
    assert torch.equal(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, plain.grad)


def test_either_use_alone():
    weight = make_weight()
    rows, _ = tied_embedding(weight, IDS)
    (grad,) = torch.autograd.grad(rows.sum(), weight)
    assert grad.sum(1).tolist() == [4, 0, 0, 12, 0, 4, 0, 0]
    _, tied = tied_embedding(weight, IDS)
    (grad,) = torch.autograd.grad(tied.sum(), weight)  # this gradient comes expanded, without memory of its own
    assert torch.equal(grad, torch.ones(8, 4))


def test_gradient_in_float64():
    def both(weight: torch.Tensor) -> torch.Tensor:
        rows, tied = tied_embedding(weight, IDS)
        return linear(rows, tied)

    assert torch.autograd.gradcheck(both, make_weight(torch.float64))


def test_low_precision_rows_are_added_in_the_weights_type():
    weight = make_weight()
    rows, tied = tied_embedding(weight, IDS)
    linear(rows.bfloat16(), tied.bfloat16()).sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
