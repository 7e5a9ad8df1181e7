"""The choice of a backend: once, in one line, with the reasons of those passed over."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.backend import check_backend
from mmbert_composer.models.attention.choose_backend import choose_backend, try_out
from mmbert_composer.models.attention.packed_attention import packed_attention
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.reference import reference_attention
from mmbert_composer.models.attention.sdpa import sdpa_attention

Install = Callable[[str, str], None]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
BROKEN = "raise ImportError('/x/flash_attn_2_cuda.so: undefined symbol: _ZN3c10')"
BROKEN_REASON = (
    "flash_attn has a broken package (flash-attn 2 does not import: ImportError: "
    "/x/flash_attn_2_cuda.so: undefined symbol: _ZN3c10)"
)


@pytest.mark.usefixtures("install")
def test_a_cpu_has_sdpa_and_says_so_once(caplog: pytest.LogCaptureFixture):
    qkv = torch.randn(3, 5, 1, 8)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            packed_attention(*qkv, torch.tensor([0, 5], dtype=torch.int32), 5, None, "auto")
    assert [record.getMessage() for record in caplog.records] == ["attention: sdpa for float32 on cpu"]


def test_other_ranks_say_nothing(install: Install, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "1")
    with caplog.at_level(logging.INFO):
        assert choose_backend("auto", 64, torch.float32, CPU) == "sdpa"
    assert caplog.records == []


def test_a_broken_package_falls_back_with_one_line(install: Install, caplog: pytest.LogCaptureFixture):
    install("flash_attn", BROKEN)
    install("flash_attn_interface", BROKEN)
    # With a GPU at hand torch's own kernel takes over; without one this only looks for the names of what would run.
    taken = "torch_flash" if torch.cuda.is_available() else "sdpa"
    with caplog.at_level(logging.INFO):
        assert [choose_backend("auto", 64, torch.bfloat16, CUDA) for _ in range(3)] == [taken] * 3
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"attention: {taken} for bfloat16 on cuda; flash_attn has a broken package (")
    assert "ImportError: /x/flash_attn_2_cuda.so: undefined symbol: _ZN3c10" in record.getMessage()


def test_a_dtype_that_flash_does_not_take_falls_back_with_its_reason(
    install: Install, caplog: pytest.LogCaptureFixture
):
    install("flash_attn", "def flash_attn_varlen_func(): ...")
    with caplog.at_level(logging.INFO):
        assert choose_backend("auto", 64, torch.float32, CUDA) == "sdpa"
    assert [record.getMessage() for record in caplog.records] == [
        "attention: sdpa for float32 on cuda; flash_attn takes float16 or bfloat16, got float32; "
        "torch_flash takes float16 or bfloat16, got float32"
    ]


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("sdap", {}, "attention='sdap' is no backend: choose one of auto, flash_attn, torch_flash, sdpa, reference"),
        (
            "torch_flash",
            {"head_dim": 20},
            "attention=torch_flash takes a head width that is a multiple of 8 up to 256, and hidden_size / "
            "num_attention_heads is 20: change model.num_attention_heads, or choose one that works here: "
            "auto, sdpa, reference",
        ),
        (
            "torch_flash",
            {"head_dim": 64, "dtype": torch.float32, "device": CUDA},
            "attention=torch_flash takes float16 or bfloat16, got float32: set precision: amp_bf16, "
            "or choose one that works here: auto, sdpa, reference",
        ),
        (
            "torch_flash",
            {"device": CPU},
            "attention=torch_flash runs on CUDA alone, and the model is on cpu: train on a GPU, "
            "or choose one that works here: auto, sdpa, reference",
        ),
    ],
)
def test_what_was_asked_for_by_name_and_cannot_run_is_refused(name: str, known: dict, message: str):
    with pytest.raises(UserError) as error:
        check_backend(name, **known)
    assert str(error.value) == message


def test_flash_attn_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, install: Install):
    monkeypatch.setattr("mmbert_composer.models.attention.flash_attn.find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        check_backend("flash_attn", 64, torch.bfloat16, CPU)
    assert str(error.value) == (
        "attention=flash_attn needs the flash-attn package, which is not installed: "
        "pip install 'mmbert-composer[gpu]', or choose one that works here: auto, sdpa, reference"
    )


def test_flash_attn_with_a_broken_package_is_refused_with_the_reason(install: Install):
    install("flash_attn", BROKEN)
    with pytest.raises(UserError) as error:
        choose_backend("flash_attn", 64, torch.bfloat16, CPU)
    assert str(error.value) == (
        f"attention={BROKEN_REASON}: install a build of flash-attn for torch {torch.__version__}, "
        f"or choose one that works here: auto, sdpa, reference"
    )


@pytest.mark.parametrize("name", ["auto", "sdpa", "reference"])
def test_what_runs_anywhere_is_never_refused(name: str):
    for device in (CPU, CUDA):
        check_backend(name, 20, torch.float64, device)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_backend_that_works_passes_its_trial_and_draws_no_random_number(dtype: torch.dtype):
    before = torch.get_rng_state()
    with torch.inference_mode():
        assert try_out(sdpa_attention, 64, dtype, CPU) is None
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert try_out(reference_attention, 8, dtype, CPU) is None
    assert torch.equal(torch.get_rng_state(), before)


def _window_of_one_more(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, window: int | None) -> Tensor:
    return reference_attention(q, k, v, layout, None if window is None else window + 2)


def _not_built_for_this_gpu(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, window: int | None) -> Tensor:
    raise RuntimeError("CUDA error: no kernel image is available for execution\nmore lines")


@pytest.mark.parametrize(
    ("attend", "reason"),
    [
        (_window_of_one_more, "gives wrong numbers on this machine"),
        (
            _not_built_for_this_gpu,
            "fails on this machine (RuntimeError: CUDA error: no kernel image is available for execution)",
        ),
    ],
)
def test_a_trial_finds_what_does_not_work(attend, reason: str):
    for dtype in (torch.float32, torch.bfloat16):
        problem = try_out(attend, 64, dtype, CPU)
        assert problem is not None
        assert (problem.reason, problem.is_fault) == (reason, True)
