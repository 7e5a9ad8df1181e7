import itertools

import pytest
import torch

from mmbert_composer.merging.linear import mean_weights, weighted_sum


def _sum(rows, weights):
    out = torch.empty(len(rows[0]))
    weighted_sum(torch.tensor(rows), weights, out)
    return out.tolist()


def test_hand_worked():
    assert _sum([[1.0, 3.0], [3.0, 5.0]], [0.25, 0.75]) == [2.5, 4.5]
    assert _sum([[1.0, 3.0], [3.0, 5.0]], mean_weights(None, 2)) == [2.0, 4.0]
    assert _sum([[1.0, 3.0]], [2.0]) == [2.0, 6.0]


def test_weights_are_scaled_to_sum_to_one():
    assert mean_weights(None, 4) == [0.25] * 4
    assert mean_weights((2.0, 6.0), 2) == [0.25, 0.75]


def test_the_scale_does_not_depend_on_the_order():
    weights = (0.1, 0.2, 0.3, 0.37)
    scaled = dict(zip(weights, mean_weights(weights, 4), strict=True))
    for order in itertools.permutations(weights):
        assert mean_weights(order, 4) == [scaled[weight] for weight in order]
    assert sum(scaled.values()) == pytest.approx(1)
