"""torch's flash kernels run on a GPU alone; their operators' arguments, shapes and gradients are known without one."""

import pytest
import torch

from mmbert_composer.models.attention import torch_flash
from mmbert_composer.models.attention.choose_backend import _chosen
from mmbert_composer.models.attention.packed_attention import packed_attention
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.torch_flash import torch_flash_attention

META = torch.device("meta")
has_varlen = pytest.mark.skipif(torch_flash._varlen_attn is None, reason="torch's varlen_attn takes no window yet")


@pytest.mark.parametrize("path", ["operator", pytest.param("varlen_attn", marks=has_varlen)])
@pytest.mark.parametrize("window", [None, 128, 7])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_arguments_shapes_and_gradients_without_reading_a_bound(
    monkeypatch: pytest.MonkeyPatch, path: str, window: int | None, dtype: torch.dtype
):
    if path == "operator":
        monkeypatch.setattr(torch_flash, "_varlen_attn", None)
    # Tensors without data take the dispatcher's whole way, argument checks and derivatives included, but the kernel.
    layout = PackedLayout(torch.empty(5, dtype=torch.int32, device=META), 64, 100)
    q, k, v = (torch.empty(100, 4, 16, dtype=dtype, device=META, requires_grad=True) for _ in range(3))
    out = torch_flash_attention(q, k, v, layout, window)
    assert (out.shape, out.dtype) == (q.shape, dtype)
    gradients = torch.autograd.grad(out.sum(), (q, k, v))
    assert [(x.shape, x.dtype) for x in gradients] == [(q.shape, dtype)] * 3


@pytest.mark.parametrize(("window", "sides"), [(None, None), (128, 64), (129, 64), (7, 3), (1, 0)])
def test_the_operator_gets_the_window_on_both_sides(
    monkeypatch: pytest.MonkeyPatch, window: int | None, sides: int | None
):
    monkeypatch.setattr(torch_flash, "_varlen_attn", None)
    layout = PackedLayout(torch.empty(5, dtype=torch.int32, device=META), 64, 100)
    q = torch.empty(100, 4, 16, device=META, requires_grad=True)
    out = torch_flash_attention(q, q, q, layout, window)
    # What autograd keeps is what the kernel was called with.
    node = out.grad_fn
    kept = {
        name: getattr(node, f"_saved_{name}") for name in ("window_size_left", "window_size_right", "max_q", "max_k")
    }
    assert kept == {"window_size_left": sides, "window_size_right": sides, "max_q": 64, "max_k": 64}
    assert (node._saved_dropout_p, node._saved_is_causal, node._saved_scale) == (0.0, False, None)


def test_rows_of_heads_may_be_apart_but_not_their_elements():
    layout = PackedLayout(torch.empty(5, dtype=torch.int32, device=META), 64, 100)
    transposed = torch.empty(100, 16, 4, dtype=torch.bfloat16, device=META).transpose(1, 2)
    assert torch_flash_attention(transposed, transposed, transposed, layout, None).stride(-1) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch 2.11's compiler loads a deprecated module of torch
def test_a_compiled_graph_holds_it_without_a_break(monkeypatch: pytest.MonkeyPatch):
    q, k, v = (torch.empty(100, 2, 16, dtype=torch.bfloat16, device=META, requires_grad=True) for _ in range(3))
    layout = PackedLayout(torch.empty(5, dtype=torch.int32, device=META), 64, 100)
    # What the first call on a GPU leaves behind.
    monkeypatch.setitem(_chosen, ("torch_flash", 16, torch.bfloat16, META), "torch_flash")

    def double(q: torch.Tensor) -> torch.Tensor:
        return 2 * packed_attention(2 * q, k, v, layout.cu_seqlens, 64, 128, "torch_flash", layout)

    out = torch.compile(double, backend="aot_eager", fullgraph=True)(q)
    assert out.shape == torch.autograd.grad(out.sum(), q)[0].shape == q.shape
