"""Points that a protocol tries."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.grid import grid, stage_point
from mmbert_composer.evaluation.settings import Settings

HOW = Settings(folder=Path("unused"))


def test_default_is_the_row():
    for name in ("cola", "wikiann", "squad", "foqa"):
        assert grid(BY_NAME[name], HOW) == [BY_NAME[name].hyperparameters]
    (point,) = grid(BY_NAME["cola"], replace(HOW, lrs=(1e-4,), epochs=(7,), max_length=64))
    assert (point.lr, point.epochs, point.max_length) == (1e-4, 7, 64)
    assert stage_point(BY_NAME["cola"], replace(HOW, lrs=(1e-4,))).lr == 2e-5


def test_swept_is_the_grid_of_the_paper():
    swept = replace(HOW, protocol="swept")
    points = grid(BY_NAME["wikiann"], swept)
    assert len(points) == 35
    assert {point.warmup_ratio for point in points} == {0.06}
    assert {point.epochs for point in points} == {1, 2, 3, 5, 10}
    assert (min(point.lr for point in points), max(point.lr for point in points)) == (2e-5, 8e-5)
    assert [point.lr for point in grid(BY_NAME["coir"], swept)] == [1e-4, 3e-4, 5e-4, 7e-4]
    # The early stop decides how long: no epochs to sweep.
    assert len(grid(BY_NAME["foqa"], swept)) == 7
    assert len(grid(BY_NAME["wikiann"], replace(swept, lrs=(1e-5,), epochs=(1, 2)))) == 2


def test_a_grid_needs_its_protocol():
    with pytest.raises(UserError, match="--epochs: several values are a grid; add --protocol swept"):
        grid(BY_NAME["cola"], replace(HOW, epochs=(1, 2)))
