import pytest

from mmbert_composer.doctor.attention import check_attention, check_flash_attn, wheel_name


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (
            ("2.7.0+cu126", "12.6", True, (3, 11), "x86_64"),
            "flash_attn-*+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl",
        ),
        (
            ("2.11.0", "13.0", False, (3, 12), "aarch64"),
            "flash_attn-*+cu13torch2.11cxx11abiFALSE-cp312-cp312-linux_aarch64.whl",
        ),
        (("2.7.0+cpu", None, True, (3, 11), "x86_64"), None),
    ],
)
def test_the_wheel_for_an_environment(arguments, name):
    assert wheel_name(*arguments) == name


BROKEN = "flash-attn 2 does not import: ImportError: undefined symbol: _ZN3c10"


@pytest.mark.parametrize(
    ("what", "broken", "has_gpu", "status", "text"),
    [
        ("flash-attn 2", "", True, "ok", "flash-attn 2"),
        ("", "", True, "note", "torch's own flash kernels run"),
        ("", "", False, "ok", "not needed on a CPU (its wheel: W.whl)"),
        ("", BROKEN, True, "problem", "undefined symbol: _ZN3c10"),
        ("", BROKEN, False, "note", "undefined symbol: _ZN3c10"),
        ("flash-attn 2", "flash-attn 3 does not import: OSError: x", True, "problem", "; flash-attn 2 runs instead"),
    ],
)
def test_flash_attn(what, broken, has_gpu, status, text):
    found = check_flash_attn(what, broken, "W.whl", has_gpu=has_gpu)
    assert found.status == status
    assert text in found.what
    if status != "ok":
        assert "install W.whl from github.com/Dao-AILab/flash-attention/releases" in found.mend


def test_without_cuda_there_is_no_wheel():
    assert "install torch's CUDA build first" in check_flash_attn("", BROKEN, None, has_gpu=False).mend


def test_what_would_run_here():
    text = check_attention({"hidden_size": 768, "num_attention_heads": 12}, "fp32")[-1].what
    assert text.startswith("model.attention=auto runs sdpa for float32, heads of 64")
    assert "flash_attn" in text  # and why not
    assert "torch_flash" in text
    asked = check_attention({"attention": "sdpa"}, None)[-1]
    assert asked.status == "ok"
    assert asked.what.startswith("model.attention=sdpa runs sdpa")
    unknown = check_attention({"attention": "flsh"}, None)[-1]
    assert unknown.status == "problem"
    assert "attention='flsh' is no backend" in unknown.what
