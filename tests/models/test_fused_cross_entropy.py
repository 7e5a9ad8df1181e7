"""Liger's kernel behind our loss: its arguments in their places, and a trial before it is trusted.

The kernel itself needs a GPU; here a module of its name and signature (liger-kernel 0.8.5) computes the plain form.
"""

import logging
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from mmbert_composer.models import fused_cross_entropy as module
from mmbert_composer.models.fused_cross_entropy import fused_cross_entropy, has_fused_cross_entropy

CPU = torch.device("cpu")


class Plain(torch.autograd.Function):
    """Liger's signature; the factors let its gradients be wrong."""

    factor, hidden_factor = 1.0, 1.0
    seen: dict[str, Any] = {}  # noqa: RUF012 (what the last call got)

    @staticmethod
    def forward(
        ctx: Any, _input, weight, target, bias=None, ce_weight=None, ignore_index=-100, lse_square_scale=0.0,
        label_smoothing=0.0, reduction="mean", softcap=None, return_z_loss=False, accum_dtype=None,
        use_token_scaling=False, return_token_accuracy=False, return_predicted_tokens=False, ce_impl=None,
        ce_mode=None, chunk_mem_const=1,
    ):  # fmt: skip
        Plain.seen = {"accum_dtype": accum_dtype, "chunk_mem_const": chunk_mem_const}
        with torch.enable_grad():
            leaves = [x.detach().float().requires_grad_() for x in (_input, weight, bias)]
            logits = linear(*leaves)
            used = target != ignore_index
            z_loss = lse_square_scale * logits.logsumexp(1)[used].square().mean()
            loss = cross_entropy(logits, target, ignore_index=ignore_index, reduction=reduction) + z_loss
            gradients = torch.autograd.grad(loss, leaves)
        factors = (Plain.hidden_factor, Plain.factor, 1)
        ctx.save_for_backward(*(f * g.to(_input.dtype) for f, g in zip(factors, gradients, strict=True)))
        return loss.detach(), None, None, logits.argmax(1) if return_predicted_tokens else None

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        hidden, weight, bias = (saved * grads[0] for saved in ctx.saved_tensors)
        return hidden, weight, None, bias, *[None] * 14


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def install(function: Any) -> None:
        names = ("liger_kernel", "liger_kernel.ops", "liger_kernel.ops.fused_linear_cross_entropy")
        for name in names:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[names[-1]].LigerFusedLinearCrossEntropyFunction = function  # type: ignore[attr-defined]
        monkeypatch.setattr(module, "find_spec", lambda name: name)
        has_fused_cross_entropy.cache_clear()

    return install


@pytest.fixture(autouse=True)
def _forget():
    yield
    has_fused_cross_entropy.cache_clear()
    Plain.factor = Plain.hidden_factor = 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_gradients_and_hits(installed: Callable[[Any], None], dtype: torch.dtype):
    installed(Plain)
    assert has_fused_cross_entropy(CPU, dtype)
    generator = torch.Generator().manual_seed(0)
    hidden, weight, bias = (
        torch.randn(*shape, generator=generator).requires_grad_() for shape in ((20, 8), (50, 8), (50,))
    )
    labels = torch.randint(0, 50, (20,), generator=generator)
    labels[3] = -100
    loss, row_loss, correct = fused_cross_entropy(hidden, weight, bias, labels, dtype, 0.01, chunk_rows=5)
    logits = linear(hidden, weight, bias)
    used = labels != -100
    expected = cross_entropy(logits, labels) + 0.01 * logits.logsumexp(1)[used].square().mean()
    torch.testing.assert_close(loss, expected, atol=0.05, rtol=0.02)
    for ours, theirs in zip(
        torch.autograd.grad(loss, (hidden, weight, bias)),
        torch.autograd.grad(expected, (hidden, weight, bias)),
        strict=True,
    ):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() < 0.03 * theirs.norm()
    assert row_loss.isnan().all()
    assert correct.dtype == torch.bool
    assert not correct[3]
    if dtype == torch.float32:
        assert torch.equal(correct, logits.argmax(1) == labels)
    # 5 rows of 50 logits at a time: C x 20 x 8 of them
    assert Plain.seen == {"accum_dtype": torch.float32, "chunk_mem_const": 2}


@pytest.mark.parametrize("factors", [(2.0, 1.0), (1.0, 0.0), (1.0, 2.0)])
def test_a_kernel_that_gives_other_gradients_is_not_used(installed: Callable[[Any], None], caplog: Any, factors: Any):
    Plain.factor, Plain.hidden_factor = factors
    installed(Plain)
    with caplog.at_level(logging.WARNING):
        assert not has_fused_cross_entropy(CPU, torch.float32)
    assert "its loss or gradients are not those of the plain form" in caplog.text


def test_an_older_version_is_not_used(installed: Callable[[Any], None], caplog: Any):
    class Old(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, _input: Any, weight: Any, target: Any, bias: Any = None) -> None: ...

    installed(Old)
    with caplog.at_level(logging.WARNING):
        assert not has_fused_cross_entropy(CPU, torch.float32)
    assert "it has no chunk_mem_const" in caplog.text


def test_without_the_package():
    has_fused_cross_entropy.cache_clear()
    if module.find_spec("liger_kernel") is not None:
        pytest.skip("liger-kernel is installed")
    assert not has_fused_cross_entropy(CPU, torch.float32)
