import pytest

from mmbert_composer.curriculum.curve import Curve, parse_curve
from mmbert_composer.errors import UserError


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("linear", [1.0, 0.75, 0.5, 0.0]), ("cosine", [1.0, 0.8535534, 0.5, 0.0]), ("1-sqrt", [1.0, 0.5, 0.2928932, 0.0])],
)
def test_shapes_by_hand(shape, expected):
    curve = Curve(1.0, 0.0, shape)
    assert [curve.at(token, 100) for token in (0, 25, 50, 100)] == pytest.approx(expected)


def test_decay_of_mmbert():
    # a + (1 - a) (1 - sqrt(n / N)) with a = 0.02, at n = N / 4: 0.02 + 0.98 * 0.5
    curve = parse_curve({"from": 1, "to": 0.02, "curve": "1-sqrt"}, "lr")
    assert curve.at(25, 100) == pytest.approx(0.51)
    assert curve.at(100, 100) == pytest.approx(0.02)


def test_warm_up_ends_and_stays():
    curve = parse_curve({"from": 0, "to": 1, "curve": "linear", "over": "1_000tok"}, "lr")
    assert [curve.at(token, 10**6) for token in (0, 500, 1000, 10**6)] == [0.0, 0.5, 1.0, 1.0]


def test_numbers_are_constant():
    assert parse_curve(0.3, "mask_ratio").at(123, 1000) == 0.3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.3", "must be a number or"),
        ({"from": 0, "to": 1, "curve": "quadratic"}, "curve 'quadratic' is not one of constant, linear"),
        ({"from": 0, "too": 1}, "unknown key 'too'"),
        ({"from": 0}, "to=None must be a number"),
        ({"from": 0, "to": 1, "over": "5 steps"}, "'5 steps' is not a number of tokens"),
        ({"from": 0, "to": 1, "curve": "constant"}, "cannot go from 0 to 1"),
    ],
)
def test_errors_name_the_key(value, text):
    with pytest.raises(UserError, match=rf"phase 'a': lr.*{text}"):
        parse_curve(value, "phase 'a': lr")
