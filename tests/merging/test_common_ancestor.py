import numpy as np
import pytest
import torch

from mmbert_composer.merging.common_ancestor import doubts_about_base


def _doubts(base, *models):
    rows = torch.stack([model - base for model in models]).double()
    products = (rows @ rows.T).numpy()
    halves = {"a": products / 2, "b": products / 2}  # sums over parameters count
    square = float(base.double() @ base.double())
    return doubts_about_base(
        [f"m{number}" for number in range(len(models))], "base", halves, {"a": square / 4, "b": 3 * square / 4}
    )


def _steps(count, scale, size=10_000):
    generator = torch.Generator().manual_seed(3)
    return [scale * torch.randn(size, generator=generator) for _ in range(count)]


def test_an_ancestor_is_not_doubted():
    (base,) = _steps(1, 1.0)
    _, *steps = _steps(4, 0.1)
    assert _doubts(base, *(base + step for step in steps)) == []


def test_a_model_that_has_nothing_in_common():
    base, stranger = _steps(2, 1.0)
    child = base + 0.1 * torch.randn(10_000, generator=torch.Generator().manual_seed(9))
    (doubt,) = _doubts(base, child, stranger)
    assert doubt.startswith("m1 is as far from the base base (1")
    assert "models that have nothing in common" in doubt


def test_models_that_parted_after_the_base():
    (base,) = _steps(1, 1.0)
    _, common, one, other, third = _steps(5, 0.1)
    parted = [base + common + 0.5 * one, base + common + 0.5 * other, base + third]
    (doubt,) = _doubts(base, *parted)
    assert doubt.startswith("m0 and m1 are nearer to each other (")
    assert doubt.endswith("they parted after it")


def test_the_distances_it_names():
    products = {"w": np.array([[25.0, 25.0], [25.0, 26.0]])}
    (doubt,) = doubts_about_base(["a", "b"], "o", products, {"w": 10_000.0})
    assert "(1) than to the base o (5 and 5.099)" in doubt
    assert doubts_about_base(["a"], "o", {"w": np.array([[4.0]])}, {"w": 4.0})[0].startswith("a is as far")
    assert doubts_about_base(["a"], "o", {"w": np.array([[3.9]])}, {"w": 4.0}) == []


@pytest.mark.parametrize("count", [1, 2])
def test_the_base_itself_among_the_models(count):
    (base,) = _steps(1, 1.0)
    doubts = _doubts(base, *[base] * count)
    assert doubts == []
