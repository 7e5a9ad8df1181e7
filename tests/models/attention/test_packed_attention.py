"""Every backend that runs here against the reference, and the reference against sums by hand and torch's own."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.packed_attention import packed_attention

# Lengths of the sequences of a batch; max_seqlen is 1,024 or their longest.
LENGTHS = {
    "one token": [1],
    "two tokens": [2],
    "window edges": [63, 64, 65, 66, 127, 128, 129, 130],
    "mixed": [3, 500, 1, 77, 129, 200, 2],
    "one long": [1024],
    "3 tokens at max_seqlen 1,024": [3],
    "3 tokens and a tail of padding": [3, 1021],
    "texts and a tail of padding": [300, 200, 24, 500],
    "512 sequences": [4] * 512,
    "empty ends": [5, 0, 90, 0, 0],
    "odd total": [31, 70],
}
WINDOWS = [None, 1, 7, 16, 128, 4096]


def bounds(lengths: list[int]) -> Tensor:
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)


def random_qkv(tokens: int, heads: int = 2, width: int = 8, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(tokens, heads, width, dtype=dtype, generator=generator).requires_grad_() for _ in range(3)]


def with_gradients(qkv: list[Tensor], lengths: list[int], window: int | None, backend: str) -> list[Tensor]:
    """Output, and the gradients of q, k and v for a weighted sum of it."""
    out = packed_attention(*qkv, bounds(lengths), max(1024, *lengths), window, backend)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out)
    return [out, *torch.autograd.grad((out * weight).sum(), qkv)]


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("window", WINDOWS)
def test_sdpa_equals_reference_forward_and_gradients(lengths: list[int], window: int | None):
    qkv = random_qkv(sum(lengths))
    ours = with_gradients(qkv, lengths, window, "sdpa")
    for mine, theirs in zip(ours, with_gradients(qkv, lengths, window, "reference"), strict=True):
        assert torch.isfinite(mine).all()
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("window", [None, 128])
def test_sdpa_equals_reference_at_8192_tokens(window: int | None):
    lengths = [8192]
    qkv = random_qkv(8192, heads=1, width=4)
    ours = with_gradients(qkv, lengths, window, "sdpa")
    for mine, theirs in zip(ours, with_gradients(qkv, lengths, window, "reference"), strict=True):
        assert torch.isfinite(mine).all()
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-3)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=8).filter(any), st.none() | st.integers(1, 200))
def test_sdpa_equals_reference_for_any_lengths(lengths: list[int], window: int | None):
    qkv = random_qkv(sum(lengths), heads=1, width=4, dtype=torch.float64)
    ours = with_gradients(qkv, lengths, window, "sdpa")
    for mine, theirs in zip(ours, with_gradients(qkv, lengths, window, "reference"), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("window", [None, 16])
def test_sdpa_in_bfloat16_is_the_reference_rounded(window: int | None):
    lengths = [70, 3, 190]
    exact = random_qkv(sum(lengths))
    rounded = [x.detach().bfloat16().requires_grad_() for x in exact]
    ours = with_gradients(rounded, lengths, window, "sdpa")
    theirs = with_gradients([x.detach().float().requires_grad_() for x in rounded], lengths, window, "reference")
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype == torch.bfloat16
        torch.testing.assert_close(mine.float(), other, atol=0.05, rtol=0.05)


def test_the_reference_by_hand():
    # One head of width 1. Scores of the first token: 0 and ln 3, so weights 1/4 and 3/4; of the second: equal.
    # The third token is a sequence of its own.
    q, k, v = (torch.tensor(x)[:, None, None] for x in ([1.0, 0.0, 2.0], [0.0, math.log(3), 5.0], [4.0, 8.0, 6.0]))
    out = packed_attention(q, k, v, bounds([2, 1]), 2, None, "reference").flatten()
    torch.testing.assert_close(out, torch.tensor([7.0, 6.0, 6.0]))
    # A window of 1 sees the token alone.
    assert packed_attention(q, k, v, bounds([3]), 3, 1, "reference").flatten().tolist() == [4.0, 8.0, 6.0]


@pytest.mark.parametrize("window", [None, 7, 16])
def test_the_reference_is_torchs_attention_in_float64(window: int | None):
    lengths = [20, 1, 45]
    qkv = random_qkv(sum(lengths), dtype=torch.float64)
    out = packed_attention(*qkv, bounds(lengths), 64, window, "reference")
    for start, end in pairwise(bounds(lengths).tolist()):
        query, key, value = (x[None, start:end].transpose(1, 2) for x in qkv)
        place = torch.arange(end - start)
        near = (place[:, None] - place).abs() <= (end if window is None else window // 2)
        theirs = scaled_dot_product_attention(query, key, value, attn_mask=near)[0].transpose(0, 1)
        torch.testing.assert_close(out[start:end], theirs, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("backend", ["sdpa", "reference"])
@pytest.mark.parametrize("window", [None, 4, 5])
def test_gradients_in_float64(backend: str, window: int | None):
    cu_seqlens = bounds([1, 7, 3])
    qkv = random_qkv(11, heads=1, width=2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *x: packed_attention(*x, cu_seqlens, 7, window, backend), qkv)


@pytest.mark.parametrize("backend", ["sdpa", "reference"])
@pytest.mark.parametrize(("window", "half"), [(128, 64), (129, 64), (16, 8), (1, 0)])
def test_a_window_of_128_sees_64_left_64_right_and_itself(backend: str, window: int, half: int):
    # With equal scores a row is the mean of the values seen: one-hot values show who they are.
    length, query = 200, 100
    zeros = torch.zeros(length, 1, length)
    values = torch.eye(length)[:, None, :]
    seen = packed_attention(zeros, zeros, values, bounds([length]), length, window, backend)[query, 0]
    assert seen.nonzero().squeeze(1).tolist() == list(range(query - half, query + half + 1))
    torch.testing.assert_close(seen.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("backend", ["sdpa", "reference"])
@pytest.mark.parametrize("window", [None, 128])
def test_each_sequence_and_its_gradients_are_as_if_alone(backend: str, window: int | None):
    lengths = [70, 3, 190, 64]
    qkv = random_qkv(sum(lengths))
    weight = torch.randn(sum(lengths), 2, 8, generator=torch.Generator().manual_seed(1))
    out = packed_attention(*qkv, bounds(lengths), 1024, window, backend)
    packed = [out, *torch.autograd.grad((out * weight).sum(), qkv)]
    for i, length in enumerate(lengths):
        piece = [x.detach().split(lengths)[i].requires_grad_() for x in qkv]
        out = packed_attention(*piece, bounds([length]), 1024, window, backend)
        alone = [out, *torch.autograd.grad((out * weight.split(lengths)[i]).sum(), piece)]
        for together, apart in zip(packed, alone, strict=True):
            torch.testing.assert_close(together.split(lengths)[i], apart, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("backend", ["sdpa", "reference"])
@pytest.mark.parametrize("window", [None, 16])
@pytest.mark.parametrize("changed", range(4))
def test_a_change_in_one_document_changes_no_bit_of_another(backend: str, window: int | None, changed: int):
    lengths = [70, 3, 190, 64]
    qkv = random_qkv(sum(lengths))
    other = [x.detach().clone() for x in qkv]
    for x in other:
        x.split(lengths)[changed].mul_(-3).add_(1)
    before = with_gradients(qkv, lengths, window, backend)
    after = with_gradients([x.requires_grad_() for x in other], lengths, window, backend)
    for one, two in zip(before, after, strict=True):
        same = [torch.equal(a, b) for a, b in zip(one.split(lengths), two.split(lengths), strict=True)]
        assert same == [i != changed for i in range(4)]


class LargestTensor(TorchDispatchMode):
    """Bytes of the largest tensor that any operation returned."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [x.untyped_storage().nbytes() for x in tree_leaves(out) if isinstance(x, Tensor)]
        self.bytes = max([self.bytes, *sizes])
        return out


def memory(tokens: int, lengths: list[int], window: int | None, backend: str) -> tuple[int, int]:
    """(bytes of the largest tensor forward and back, bytes kept for the backward pass)."""
    qkv = random_qkv(tokens, heads=1)
    kept = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with LargestTensor() as largest, saved_tensors_hooks(keep, lambda x: x):
        with_gradients(qkv, lengths, window, backend)
    return largest.bytes, sum(kept.values())


@pytest.mark.parametrize(
    ("backend", "window", "of", "growth"),
    [
        ("sdpa", 128, lambda tokens: [tokens], 4),
        ("sdpa", 128, lambda tokens: [tokens // 4, tokens - tokens // 4], 4),
        ("sdpa", 16, lambda tokens: [4] * (tokens // 4), 4),
        ("sdpa", None, lambda tokens: [tokens], 4),
        ("sdpa", None, lambda tokens: [64] * (tokens // 64), 4),
        ("sdpa", None, lambda tokens: [tokens * 8 // 15, tokens - tokens * 8 // 15], 4),  # unequal: one is padded
        ("reference", 128, lambda tokens: [tokens], 16),  # what the measurement shows where there is a square
    ],
)
def test_memory_is_linear_in_tokens(backend: str, window: int | None, of, growth: int):
    small, large = (memory(tokens, of(tokens), window, backend) for tokens in (512, 2048))
    for less, more in zip(small, large, strict=True):
        assert more / less == pytest.approx(growth, rel=0.1)


@pytest.mark.parametrize(
    ("cu_seqlens", "max_seqlen", "message"),
    [
        ([0, 4], 8, r"must rise from 0 to the 6 tokens of the batch, got \[0\] to \[4\]: rows outside"),
        ([0, 8], 8, "must rise from 0 to the 6 tokens"),
        ([1, 6], 8, "must rise from 0"),
        ([0, 5, 3, 6], 8, "must rise from 0"),
        ([0], 8, "must rise from 0"),
        ([0, 6], 5, "a sequence of 6 tokens is longer than max_seqlen=5: cut sequences before"),
    ],
)
@pytest.mark.parametrize("backend", ["auto", "sdpa", "reference"])
def test_bounds_that_do_not_fit_are_refused(cu_seqlens: list[int], max_seqlen: int, message: str, backend: str):
    with pytest.raises(UserError, match=message):
        packed_attention(*random_qkv(6), torch.tensor(cu_seqlens, dtype=torch.int32), max_seqlen, None, backend)


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("sdap", "attention='sdap' is no backend: choose one of auto, flash_attn, torch_flash, sdpa, reference"),
        (
            "torch_flash",
            "attention=torch_flash runs on CUDA alone, and the model is on cpu.*works here: auto, sdpa, ref",
        ),
    ],
)
def test_a_backend_that_cannot_run_is_refused(backend: str, message: str):
    with pytest.raises(UserError, match=message):
        packed_attention(*random_qkv(2), bounds([2]), 2, None, backend)


def test_queries_keys_and_values_are_of_one_dtype():
    q, k, v = random_qkv(2)
    with pytest.raises(AssertionError, match=r"torch.float32, torch.float32 and torch.bfloat16"):
        packed_attention(q, k, v.bfloat16(), bounds([2]), 2, None)
