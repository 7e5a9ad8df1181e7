"""The trapezoid by hand-worked values, and its YAML-buildable scheduler."""

from typing import Any

import pytest
from composer.core import Time
from composer.optim import ConstantScheduler
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.errors import UserError
from mmbert_composer.optim.trapezoid import TrapezoidScheduler, trapezoid

SHAPE = {"warmup_tok": 100, "total_tok": 1000, "decay_tok": 400, "floor": 0.0}


@pytest.mark.parametrize(
    ("token", "value"),
    [(0, 0.0), (50, 0.5), (100, 1.0), (599, 1.0), (600, 1.0), (700, 0.5), (1000, 0.0), (5000, 0.0)],
)
def test_values_by_hand(token: int, value: float):
    assert trapezoid(token, **SHAPE) == pytest.approx(value)


def test_the_decay_of_mmbert():
    # a + (1 - a)(1 - sqrt(n / N)) with a = 0.02, at a quarter: 0.02 + 0.98 * 0.5
    assert trapezoid(25, 0, 100, 100, 0.02) == pytest.approx(0.51)
    assert trapezoid(100, 0, 100, 100, 0.02) == pytest.approx(0.02)


def test_parts_may_be_left_out():
    assert trapezoid(0, 0, 10, 0, 0.0) == 1.0
    assert trapezoid(20, 0, 10, 0, 0.0) == 1.0


@given(st.integers(0, 2000), st.floats(0, 1))
def test_stays_between_floor_and_one_after_the_warm_up(token: int, floor: float):
    value = trapezoid(token, **(SHAPE | {"floor": floor}))
    assert 0 <= value <= 1
    if token >= 100:
        assert value >= floor - 1e-12
        assert trapezoid(token + 1, **(SHAPE | {"floor": floor})) <= value


class Clock:
    """As much of Composer's state as a schedule reads."""

    def __init__(self, token: int) -> None:
        self.timestamp = self
        self.token = Time(token, "tok")


def test_scheduler_reads_the_token_clock():
    schedule = TrapezoidScheduler("100tok", "1_000tok", "400tok")
    clock: Any = Clock(700)
    assert schedule(clock) == pytest.approx(0.5)
    assert schedule(clock, 2.0) == 1.0  # stretched to twice the length: as at 350
    assert isinstance(ConstantScheduler(), type(schedule).__mro__[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("100ba", "1000tok", "1tok"), "t_warmup='100ba' must be in tokens: write it as 1_000tok"),
        (("100tok", "much", "1tok"), "t_max='much' is no time"),
        (("600tok", "1000tok", "600tok"), "together are longer than t_max=1000tok"),
        (("1tok", "1000tok", "-1tok"), "t_decay=-1tok must not be negative"),
        (("1tok", "1000tok", "1tok", 2.0), r"floor=2.0 must be in \[0, 1\]"),
    ],
)
def test_bad_times_are_refused(arguments: tuple[Any, ...], message: str):
    with pytest.raises(UserError, match=message):
        TrapezoidScheduler(*arguments)
