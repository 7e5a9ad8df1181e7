"""On a GPU: every backend against the reference in float32, without waiting for the host, compiled, deterministic."""

import logging
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.backend import BACKENDS
from mmbert_composer.models.attention.choose_backend import choose_backend
from mmbert_composer.models.attention.packed_attention import packed_attention
from mmbert_composer.models.attention.packed_layout import PackedLayout

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]

CUDA = torch.device("cuda", 0)
HALF = [torch.bfloat16, torch.float16]
NAMES = ["flash_attn", "torch_flash", "sdpa", "reference"]
KERNELS = ["flash_attn", "torch_flash"]
LENGTHS = {
    "one token": [1],
    "window edges": [63, 64, 65, 66, 127, 128, 129, 130],
    "mixed": [3, 500, 1, 77, 129, 200, 2],
    "3 tokens at max_seqlen 1,024": [3],
    "3 tokens and a tail of padding": [3, 1021],
    "512 sequences": [4] * 512,
    "repeated ends": [5, 0, 90, 0, 0, 0],
    "8,192": [8192],
}


def skip_where_it_cannot_run(name: str, head_dim: int, dtype: torch.dtype) -> None:
    problem = BACKENDS[name].problem(head_dim, dtype, CUDA)
    if problem and not problem.is_fault:
        pytest.skip(f"{name} {problem.reason}")


def bounds(lengths: list[int]) -> Tensor:
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32, device=CUDA)


def random_qkv(tokens: int, heads: int, width: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(tokens, heads, width, generator=generator).to(CUDA, dtype).requires_grad_() for _ in range(3)]


def with_gradients(qkv: list[Tensor], lengths: list[int], window: int | None, backend: str) -> list[Tensor]:
    out = packed_attention(*qkv, bounds(lengths), max(1024, *lengths), window, backend)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out)
    return [out, *torch.autograd.grad((out * weight).sum(), qkv)]


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("window", [None, 1, 7, 128, 4096])
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("backend", NAMES)
def test_equals_the_reference_forward_and_gradients(
    backend: str, dtype: torch.dtype, window: int | None, lengths: list[int]
):
    skip_where_it_cannot_run(backend, 64, dtype)
    qkv = random_qkv(sum(lengths), 2, 64, dtype)
    ours = with_gradients(qkv, lengths, window, backend)
    exact = [x.detach().float().requires_grad_() for x in qkv]
    for mine, theirs in zip(ours, with_gradients(exact, lengths, window, "reference"), strict=True):
        assert mine.dtype == dtype
        assert torch.isfinite(mine).all()
        torch.testing.assert_close(mine.float(), theirs, atol=0.03, rtol=0.03)


@pytest.mark.parametrize("width", [8, 32, 40, 96, 128, 256])
@pytest.mark.parametrize("backend", KERNELS)
def test_every_head_width_that_the_check_lets_through(backend: str, width: int):
    skip_where_it_cannot_run(backend, width, torch.bfloat16)
    assert choose_backend(backend, width, torch.bfloat16, CUDA) == backend


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("window", [None, 128])
def test_a_change_in_one_document_changes_no_bit_of_another(backend: str, window: int | None):
    skip_where_it_cannot_run(backend, 64, torch.bfloat16)
    lengths = [70, 3, 190, 64]
    qkv = random_qkv(sum(lengths), 2, 64, torch.bfloat16)
    other = [x.detach().clone() for x in qkv]
    for x in other:
        x.split(lengths)[2].mul_(-3).add_(1)
    one = packed_attention(*qkv, bounds(lengths), 1024, window, backend).split(lengths)
    two = packed_attention(*other, bounds(lengths), 1024, window, backend).split(lengths)
    assert [torch.equal(a, b) for a, b in zip(one, two, strict=True)] == [True, True, False, True]


@pytest.fixture
def no_waiting() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("window", [None, 128])
@pytest.mark.parametrize("backend", [*KERNELS, "auto"])
def test_the_host_never_waits(request: pytest.FixtureRequest, backend: str, window: int | None):
    skip_where_it_cannot_run("torch_flash" if backend == "auto" else backend, 64, torch.bfloat16)
    lengths = [70, 3, 190, 0, 64]
    qkv, cu_seqlens = random_qkv(sum(lengths), 2, 64, torch.bfloat16), bounds(lengths)
    packed_attention(*qkv, cu_seqlens, 1024, window, backend)  # the choice may wait, once
    torch.cuda.synchronize()
    request.getfixturevalue("no_waiting")
    layout = PackedLayout(cu_seqlens, 1024, sum(lengths))
    positions = layout.positions
    torch.autograd.grad(packed_attention(*qkv, cu_seqlens, 1024, window, backend, layout).sum(), qkv)
    with pytest.raises(RuntimeError, match="synchroniz"):
        PackedLayout(cu_seqlens, 1024, sum(lengths), check=True)
    torch.cuda.set_sync_debug_mode("default")
    assert positions.tolist() == [place for length in lengths for place in range(length)]


def test_bounds_on_a_gpu_are_checked_where_that_is_asked_for():
    with pytest.raises(UserError, match="must rise from 0 to the 80 tokens"):
        PackedLayout(bounds([70]), 1024, 80, check=True)
    with pytest.raises(UserError, match="longer than max_seqlen=64"):
        packed_attention(*random_qkv(70, 1, 8, torch.float32), bounds([70]), 64, None, "sdpa")


@pytest.mark.parametrize("backend", KERNELS)
def test_gradients_are_the_same_every_time_where_torch_is_told_to(backend: str):
    skip_where_it_cannot_run(backend, 64, torch.bfloat16)
    lengths = [4096, 1000]
    qkv = random_qkv(sum(lengths), 4, 64, torch.bfloat16)
    torch.use_deterministic_algorithms(True)
    try:
        first, *others = (with_gradients(qkv, lengths, None, backend) for _ in range(4))
    finally:
        torch.use_deterministic_algorithms(False)
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


# torch 2.7's compiler makes an instance of every autograd.Function it meets, and 2.11's loads a deprecated module.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", KERNELS)
def test_a_compiled_graph_gives_the_same(backend: str):
    skip_where_it_cannot_run(backend, 64, torch.bfloat16)
    lengths = [70, 3, 190, 0, 64]
    qkv, cu_seqlens = random_qkv(sum(lengths), 2, 64, torch.bfloat16), bounds(lengths)
    layout = PackedLayout(cu_seqlens, 1024, sum(lengths))

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return packed_attention(q, k, v, cu_seqlens, 1024, 128, backend, layout)

    eager = [out := attend(*qkv), *torch.autograd.grad(out.sum(), qkv)]
    compiled = [out := torch.compile(attend)(*qkv), *torch.autograd.grad(out.sum(), qkv)]
    for a, b in zip(eager, compiled, strict=True):
        torch.testing.assert_close(a, b, atol=0.01, rtol=0.01)


def test_auto_takes_a_flash_kernel_in_half_precision_and_sdpa_in_full(caplog: pytest.LogCaptureFixture):
    skip_where_it_cannot_run("torch_flash", 72, torch.bfloat16)
    with caplog.at_level(logging.INFO):
        assert choose_backend("auto", 72, torch.bfloat16, CUDA) in KERNELS
        assert choose_backend("auto", 72, torch.float32, CUDA) == "sdpa"
        assert choose_backend("auto", 20, torch.bfloat16, CUDA) == "sdpa"
    assert len(caplog.records) == 3
