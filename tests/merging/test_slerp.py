import math

import numpy as np
import pytest

from mmbert_composer.merging.slerp import slerp_weights


def _weights(one, other, t):
    vectors = np.array([one, other])
    return slerp_weights(vectors @ vectors.T, t)


def test_at_a_right_angle():
    assert _weights([1, 0], [0, 1], 0.5) == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
    assert _weights([1, 0], [0, 1], 0.0) == pytest.approx((1, 0))
    assert _weights([1, 0], [0, 1], 1.0) == pytest.approx((0, 1))
    # a third of the way: sin 60 / sin 90 and sin 30 / sin 90
    assert _weights([1, 0], [0, 1], 1 / 3) == pytest.approx((math.sqrt(3) / 2, 0.5))


def test_lengths_do_not_change_the_angle():
    assert _weights([3, 0], [0, 0.2], 0.3) == pytest.approx(_weights([1, 0], [0, 1], 0.3))


def test_the_result_of_unit_vectors_is_one():
    one, other = np.array([1.0, 0.0]), np.array([math.cos(2), math.sin(2)])
    for t in (0.1, 0.5, 0.8):
        first, second = _weights(one, other, t)
        merged = first * one + second * other
        assert np.linalg.norm(merged) == pytest.approx(1)
        assert math.atan2(merged[1], merged[0]) == pytest.approx(2 * t)


@pytest.mark.parametrize("other", [[1, 0.0], [1, 0.03], [-1, 0.0]])
def test_nearly_parallel_ones_are_interpolated_on_the_line(other):
    assert _weights([1, 0], other, 0.3) == pytest.approx((0.7, 0.3))


def test_a_vector_of_zeros_is_at_a_right_angle_to_everything():
    assert _weights([0, 0], [2, 0], 0.5) == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
