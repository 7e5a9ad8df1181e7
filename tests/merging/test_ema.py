import pytest

from mmbert_composer.merging.ema import ema_weights


def test_hand_worked():
    assert ema_weights(3, 0.5) == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    # 1/7 * 1 + 2/7 * 2 + 4/7 * 4 = 3
    assert sum(w * v for w, v in zip(ema_weights(3, 0.5), [1, 2, 4], strict=True)) == pytest.approx(3)


def test_is_a_moving_average_freed_of_its_start():
    values, decay, average, weight = [5.0, -1.0, 2.0, 7.0], 0.8, 0.0, 0.0
    for value in values:
        average = decay * average + (1 - decay) * value
        weight = decay * weight + (1 - decay)
    merged = sum(w * v for w, v in zip(ema_weights(4, decay), values, strict=True))
    assert merged == pytest.approx(average / weight)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_weights_sum_to_one_and_grow(count):
    weights = ema_weights(count, 0.9)
    assert sum(weights) == pytest.approx(1)
    assert weights == sorted(weights)
