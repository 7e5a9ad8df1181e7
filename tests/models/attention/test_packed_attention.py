"""Every backend that runs here against the reference, and the reference against plain sums."""

import pytest
import torch

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.packed_attention import packed_attention

LENGTHS = {
    "one token": [1],
    "window edges": [64, 65, 66, 128, 129, 130],
    "mixed": [3, 500, 1, 77, 129, 200, 2],
    "one long": [1024],
    "many": [4] * 256,
    "empty ends": [5, 0, 90, 0, 0],
    "odd total": [31, 70],
}


def bounds(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)


def random_qkv(tokens: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(tokens, 2, 8, dtype=dtype, generator=generator).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("window", [None, 128, 16])
def test_sdpa_equals_reference_forward_and_gradients(lengths: list[int], window: int | None):
    results = {}
    for backend in ("sdpa", "reference"):
        qkv = random_qkv(sum(lengths))
        out = packed_attention(*qkv, bounds(lengths), 1024, window, backend)
        weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
        results[backend] = [out, *torch.autograd.grad((out * weight).sum(), qkv)]
    for ours, theirs in zip(results["sdpa"], results["reference"], strict=True):
        assert torch.isfinite(ours).all()
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("backend", ["sdpa", "reference"])
@pytest.mark.parametrize("window", [None, 4])
def test_gradients_in_float64(backend: str, window: int | None):
    cu_seqlens = bounds([1, 7, 3])
    torch.manual_seed(0)
    qkv = [torch.randn(11, 1, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda *x: packed_attention(*x, cu_seqlens, 7, window, backend), qkv)


@pytest.mark.parametrize("backend", ["sdpa", "reference"])
def test_window_of_128_sees_64_left_64_right_and_itself(backend: str):
    # With equal scores a row is the mean of the values seen: one-hot values show who they are.
    length, query = 200, 100
    zeros = torch.zeros(length, 1, length)
    values = torch.eye(length)[:, None, :]
    seen = packed_attention(zeros, zeros, values, bounds([length]), length, 128, backend)[query, 0]
    assert seen.nonzero().squeeze(1).tolist() == list(range(query - 64, query + 65))
    torch.testing.assert_close(seen.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("backend", ["sdpa", "reference"])
@pytest.mark.parametrize("window", [None, 128])
def test_each_sequence_is_as_if_alone(backend: str, window: int | None):
    lengths = [70, 3, 190, 64]
    qkv = random_qkv(sum(lengths))
    packed = packed_attention(*qkv, bounds(lengths), 1024, window, backend).split(lengths)
    for i, length in enumerate(lengths):
        piece = [x.split(lengths)[i] for x in qkv]
        alone = packed_attention(*piece, bounds([length]), 1024, window, backend)
        torch.testing.assert_close(packed[i], alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("cu_seqlens", "max_seqlen", "message"),
    [
        ([0, 4], 8, "must rise from 0 to the 6 tokens of the batch, got \\[0\\] to \\[4\\]"),
        ([1, 6], 8, "must rise from 0"),
        ([0, 5, 3, 6], 8, "must rise from 0"),
        ([0, 6], 5, "a sequence of 6 tokens is longer than max_seqlen=5"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(cu_seqlens: list[int], max_seqlen: int, message: str):
    with pytest.raises(UserError, match=message):
        packed_attention(*random_qkv(6), torch.tensor(cu_seqlens, dtype=torch.int32), max_seqlen, None)


def test_unknown_and_missing_backends_are_named():
    with pytest.raises(UserError, match="attention='sdap' is no backend: choose one of auto, flash_attn, sdpa"):
        packed_attention(*random_qkv(2), bounds([2]), 2, None, "sdap")
    with pytest.raises(UserError, match=r"flash-attn package.*auto, sdpa, reference"):
        packed_attention(*random_qkv(2), bounds([2]), 2, None, "flash_attn")
