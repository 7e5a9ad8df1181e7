"""Which flash-attn is loaded, and that it is called as its versions want, by stand-ins with their signatures."""

import sys
from collections.abc import Callable

import pytest
import torch

from mmbert_composer.models.attention.flash_attn import flash_attention, flash_attn_problem, load_flash_attn
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.reference import reference_attention

Install = Callable[[str, str], None]

# What the kernels compute, sequence by sequence; window_size is (keys seen left, keys seen right), -1 sees all.
BODY = """
    import torch
    assert cu_seqlens_q is cu_seqlens_k and cu_seqlens_q.dtype == torch.int32
    assert max_seqlen_q == max_seqlen_k == 64 and softmax_scale is None and not causal
    out, (left, right) = [], window_size
    edges = cu_seqlens_q.tolist()
    for start, end in zip(edges, edges[1:]):
        away = torch.arange(end - start) - torch.arange(end - start)[:, None]
        seen = ((away >= -left) | (left < 0)) & ((away <= right) | (right < 0))
        part = [x[start:end].transpose(0, 1) for x in (q, k, v)]
        out.append(torch.nn.functional.scaled_dot_product_attention(*part, attn_mask=seen).transpose(0, 1))
    out = torch.cat(out)
"""
# Source: flash_attn/flash_attn_interface.py of flash-attn 2.7 and 2.8.
VERSION_2 = f"""
def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None, causal=False,
    window_size=(-1, -1), softcap=0.0, alibi_slopes=None, deterministic=False, return_attn_probs=False,
    block_table=None,
):
    {BODY}
    return out
"""
# Source: hopper/flash_attn_interface.py of flash-attn 3; its betas returned the log-sum-exp as well.
VERSION_3 = f"""
def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, seqused_q=None, seqused_k=None,
    softmax_scale=None, causal=False, qv=None, q_descale=None, k_descale=None, v_descale=None, window_size=(-1, -1),
    attention_chunk=0, softcap=0.0, num_splits=1, pack_gqa=None, deterministic=False, sm_margin=0,
    return_attn_probs=False,
):
    {BODY}
    return out
"""
VERSION_3_BETA = VERSION_3.replace("return out\n", "return out, torch.zeros(1)\n")
UNDEFINED = "raise ImportError('/x/flash_attn_2_cuda.so: undefined symbol: _ZN3c104impl\\nmore lines')"


@pytest.mark.parametrize(
    ("module", "source", "hopper", "what"),
    [
        ("flash_attn", VERSION_2, False, "flash-attn 2"),
        ("flash_attn_interface", VERSION_3, True, "flash-attn 3"),
        ("flash_attn_interface", VERSION_3_BETA, True, "flash-attn 3"),
    ],
    ids=["2", "3", "3 beta"],
)
@pytest.mark.parametrize("window", [None, 16, 7, 200])
def test_each_version_is_called_as_it_wants(
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    source: str,
    hopper: bool,
    what: str,
    window: int | None,
):
    install(module, source)
    loaded = load_flash_attn(hopper)
    assert (loaded.what, loaded.broken) == (what, "")
    assert loaded.function is not None
    monkeypatch.setitem(flash_attention.__globals__["_functions"], torch.device("cpu"), loaded.function)
    layout = PackedLayout(torch.tensor([0, 50, 50, 53, 70], dtype=torch.int32), 64, 70)
    q, k, v = torch.randn(3, 70, 2, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flash_attention(q, k, v, layout, window), reference_attention(q, k, v, layout, window))


def test_the_kernel_is_deterministic_where_torch_is_told_to_be(install: Install):
    install("flash_attn", "def flash_attn_varlen_func(*qkv, deterministic, **rest):\n    return deterministic")
    layout = PackedLayout(torch.tensor([0, 2], dtype=torch.int32), 2, 2)
    q = torch.zeros(2, 1, 8)
    assert flash_attention(q, q, q, layout, None) is False
    torch.use_deterministic_algorithms(True)
    try:
        assert flash_attention(q, q, q, layout, None) is True
    finally:
        torch.use_deterministic_algorithms(False)


def test_version_3_is_for_hopper_alone_and_2_stands_in_for_a_broken_one(install: Install):
    install("flash_attn", VERSION_2)
    install("flash_attn_interface", VERSION_3)
    assert load_flash_attn(hopper=False).what == "flash-attn 2"
    assert load_flash_attn(hopper=True).what == "flash-attn 3"
    load_flash_attn.cache_clear()
    sys.modules.pop("flash_attn_interface")
    install("flash_attn_interface", "raise OSError('libcudart.so.12: cannot open shared object file')")
    loaded = load_flash_attn(hopper=True)
    assert loaded.what == "flash-attn 2"
    assert loaded.broken == "flash-attn 3 does not import: OSError: libcudart.so.12: cannot open shared object file"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (UNDEFINED, "ImportError: /x/flash_attn_2_cuda.so: undefined symbol: _ZN3c104impl"),
        ("raise OSError('libcudart.so.11: no such file')", "OSError: libcudart.so.11: no such file"),
        ("", "AttributeError: module 'flash_attn' has no attribute 'flash_attn_varlen_func'"),
    ],
)
def test_a_broken_build_is_a_problem_with_its_reason(install: Install, source: str, reason: str):
    install("flash_attn", source)
    problem = flash_attn_problem(device=torch.device("cpu"))
    assert problem is not None
    assert problem.reason == f"has a broken package (flash-attn 2 does not import: {reason})"
    assert problem.mend == f"install a build of flash-attn for torch {torch.__version__}"
    assert problem.is_fault
