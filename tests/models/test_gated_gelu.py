"""The gated unit against its plain form."""

import pytest
import torch
from torch.nn.functional import gelu

from mmbert_composer.models.gated_gelu import gated_gelu


def make_input(dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(7, 12, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_the_plain_form(dtype: torch.dtype):
    x = make_input(dtype)
    a, b = x.chunk(2, -1)
    expected, actual = gelu(a) * b, gated_gelu(x)
    assert torch.equal(actual, expected)
    weight = torch.randn(7, 6, generator=torch.Generator().manual_seed(1)).to(dtype)
    torch.testing.assert_close(
        torch.autograd.grad(actual, x, weight)[0], torch.autograd.grad(expected, x, weight)[0], atol=1e-6, rtol=1e-5
    )


def test_gradient_in_float64():
    assert torch.autograd.gradcheck(gated_gelu, make_input(torch.float64))
