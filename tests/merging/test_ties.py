import pytest
import torch
from plain_methods import plain_mean

from mmbert_composer.merging.ties import elected_mean


def _mean(rows, weights=None):
    rows = torch.tensor(rows)
    out = torch.empty(rows.shape[1])
    elected_mean(rows, weights, out)
    return out.tolist()


def test_the_docstrings_example():
    assert _mean([[4.0, 0.0, 2.0, 1.0], [-2.0, -3.0, 0.0, -1.0]]) == [4.0, -3.0, 2.0, 1.0]


def test_means_over_those_that_agree():
    assert _mean([[1.0, 0.0], [3.0, 0.0], [-2.0, 0.0]]) == [2.0, 0.0]
    assert _mean([[-1.0], [-3.0], [2.0]]) == [-2.0]
    assert _mean([[5.0, -7.0]]) == [5.0, -7.0]


def test_weights_elect_and_weigh():
    # 3 * 1 outweighs -2: the first alone; of 1 and 3 at weights 3 and 1 the mean is 1.5
    assert _mean([[1.0, 1.0], [-2.0, 3.0]], (3.0, 1.0)) == [1.0, 1.5]
    assert _mean([[1.0, 1.0], [-2.0, 3.0]], (1.0, 1.0)) == [-2.0, 2.0]


@pytest.mark.parametrize("weights", [None, (0.2, 0.5, 0.3)])
def test_against_a_plain_reading(weights):
    rows = torch.randn(3, 500, generator=torch.Generator().manual_seed(0))
    rows[torch.rand(3, 500, generator=torch.Generator().manual_seed(1)) < 0.6] = 0.0
    expected = plain_mean(list(rows), weights)
    out = torch.empty(500)
    elected_mean(rows.clone(), weights, out)
    assert torch.allclose(out.double(), expected, atol=1e-6)
