import pytest
import torch

from mmbert_composer.merging.linear import equal_weights, linear


def test_hand_worked():
    one, other = torch.tensor([1.0, 3.0]), torch.tensor([3.0, 5.0])
    assert linear([one, other], [0.25, 0.75]).tolist() == [2.5, 4.5]
    assert linear([one, other], equal_weights(2)).tolist() == [2.0, 4.0]


def test_accumulates_in_float32():
    # 1 + 2**-8 is no bfloat16: the mean of four must not pass through one.
    tensors = [torch.tensor([value], dtype=torch.bfloat16) for value in (1.0, 1.0, 1.0, 1.015625)]
    merged = linear(tensors, equal_weights(4))
    assert merged.dtype == torch.float32
    assert merged.item() == pytest.approx(1.00390625, abs=1e-7)
