import pytest
import torch

from mmbert_composer.models.attention.flash_limits import flash_limits

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.mark.parametrize(
    ("head_dim", "dtype", "device", "reason", "mend"),
    [
        (20, None, None, "multiple of 8 up to 256, and hidden_size / num_attention_heads is 20", "num_attention_heads"),
        (264, torch.bfloat16, CUDA, "hidden_size / num_attention_heads is 264", "num_attention_heads"),
        (64, torch.float32, CUDA, "takes float16 or bfloat16, got float32", "precision: amp_bf16"),
        (64, torch.float64, CUDA, "takes float16 or bfloat16, got float64", "precision: amp_bf16"),
        (64, torch.bfloat16, CPU, "runs on CUDA alone, and the model is on cpu", "GPU"),
    ],
)
def test_what_no_flash_kernel_takes(head_dim, dtype, device, reason: str, mend: str):
    problem = flash_limits(head_dim, dtype, device)
    assert problem is not None
    assert reason in problem.reason
    assert mend in problem.mend
    assert not problem.is_fault


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU cannot do")
def test_no_gpu_is_the_last_limit():
    problem = flash_limits(64, torch.bfloat16, CUDA)
    assert problem is not None
    assert problem.reason == "runs on CUDA alone, and torch sees no GPU"
