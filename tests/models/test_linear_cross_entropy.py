"""The chunked loss against the plain one."""

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from mmbert_composer.models.linear_cross_entropy import chunk_rows_for, linear_cross_entropy


def inputs(rows: int, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden, weight, bias = (
        (scale * torch.randn(shape, dtype=dtype, generator=generator)).requires_grad_()
        for shape in ((rows, 8), (50, 8), (50,))
    )
    return [hidden, weight, bias]


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 100])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_loss_and_gradients_equal_the_plain_loss(chunk_rows: int, scale: float):
    labels = torch.randint(0, 50, (20,), generator=torch.Generator().manual_seed(1))
    labels[[2, 5, 19]] = -100
    tensors = inputs(20, scale=scale)
    loss, row_loss, correct = linear_cross_entropy(*tensors, labels, chunk_rows)
    gradients = torch.autograd.grad(loss * 3, tensors)

    logits = linear(*tensors)
    expected = cross_entropy(logits, labels)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected * 3, tensors), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        row_loss, cross_entropy(linear(*tensors), labels, reduction="none").detach(), atol=1e-4, rtol=1e-5
    )
    assert torch.equal(correct, logits.argmax(1) == labels)
    assert not row_loss.requires_grad


def test_gradients_in_float64():
    labels = torch.tensor([4, -100, 0, 7])
    tensors = inputs(4, torch.float64)
    assert torch.autograd.gradcheck(lambda *x: linear_cross_entropy(*x, labels, 3)[0], tensors)


@pytest.mark.parametrize("rows", [0, 4])
def test_no_label_gives_zero_with_zero_gradients(rows: int):
    tensors = inputs(rows)
    loss, _, correct = linear_cross_entropy(*tensors, torch.full((rows,), -100))
    assert loss.item() == 0
    assert correct.sum().item() == 0
    for gradient in torch.autograd.grad(loss, tensors):
        assert not gradient.any()


def test_without_bias_and_without_gradients():
    hidden, weight, _ = inputs(6)
    labels = torch.arange(6)
    with torch.no_grad():
        loss, _, _ = linear_cross_entropy(hidden, weight, None, labels)
    torch.testing.assert_close(loss, cross_entropy(linear(hidden, weight), labels))
    assert not loss.requires_grad


def test_under_autocast_the_loss_stays_fp32():
    tensors = inputs(20)
    labels = torch.arange(20)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _, _ = linear_cross_entropy(*tensors, labels)
    assert loss.dtype == torch.float32
    gradients = torch.autograd.grad(loss, tensors)
    expected = cross_entropy(linear(*tensors), labels)
    torch.testing.assert_close(loss, expected, atol=3e-2, rtol=1e-2)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected, tensors), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=5e-2)


def test_z_loss_is_the_mean_squared_log_partition():
    labels = torch.tensor([4, -100, 0, 7, 3])
    tensors = inputs(5)
    loss, row_loss, _ = linear_cross_entropy(*tensors, labels, 2, z_loss=0.1)
    logits = linear(*tensors)
    used = labels != -100
    expected = cross_entropy(logits, labels) + 0.1 * logits.logsumexp(1)[used].square().mean()
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(torch.autograd.grad(loss, tensors), torch.autograd.grad(expected, tensors), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(row_loss, cross_entropy(linear(*tensors), labels, reduction="none").detach())


@pytest.mark.parametrize(
    ("rows", "vocab_size", "expected"),
    [
        (614, 256_000, 614),  # 600 MiB of logits: one chunk
        (1_228, 256_000, 614),  # two equal ones, not 786 and 442
        (5_000, 16_384, 625),  # as tall as helps, in equal chunks
        (2_000, 1 << 20, 182),  # 192 fit
        (10, 1 << 30, 1),  # a row is the least there is
        (0, 256_000, 1),
    ],
)
def test_chunks_are_equal_and_fit_the_memory(rows: int, vocab_size: int, expected: int):
    assert chunk_rows_for(rows, vocab_size) == expected


def test_half_precision_holds_a_logit_three_times():
    assert chunk_rows_for(10_000, 256_000, "cuda", torch.bfloat16) == 1_000  # 1,048 fit
    assert chunk_rows_for(10_000, 256_000, "cuda") == 2_000  # 2,097 fit


def test_a_frozen_decoder_gets_no_gradient_and_the_rest_is_the_same():
    tensors, labels = inputs(6), torch.arange(6)
    expected = torch.autograd.grad(linear_cross_entropy(*tensors, labels)[0], tensors)
    hidden, weight, bias = tensors
    loss, _, _ = linear_cross_entropy(hidden, weight.detach(), bias, labels)
    actual = torch.autograd.grad(loss, [hidden, bias])
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[2])
