import pytest
import torch

from mmbert_composer.merging.ties import disjoint_mean, elect_signs, ties, trim


def test_trim_keeps_the_largest_magnitudes():
    delta = torch.tensor([[0.1, -5.0, 2.0], [3.0, -0.2, 1.0]])
    assert trim(delta, 0.5).tolist() == [[0.0, -5.0, 2.0], [3.0, 0.0, 0.0]]
    assert trim(delta, 1.0) is delta
    assert trim(delta, 0.01).tolist() == [[0.0, -5.0, 0.0], [0.0, 0.0, 0.0]]  # at least one


def test_trim_keeps_exactly_that_many_of_equal_magnitudes():
    assert trim(torch.tensor([1.0, -1.0, 1.0, 1.0, 2.0]), 0.6).tolist() == [1.0, -1.0, 0.0, 0.0, 2.0]
    torch.manual_seed(0)
    delta = torch.randint(-3, 4, (1000,)).float()
    for density in (0.1, 0.2, 0.333, 0.5):
        kept = trim(delta, density)
        nonzero = int((kept != 0).sum())
        assert nonzero == min(int(density * 1000), int((delta != 0).sum()))
        assert kept.abs().sum() == delta.abs().sort(descending=True).values[: int(density * 1000)].sum()


def test_elect_and_disjoint_mean():
    deltas = [torch.tensor([4.0, 0.0, 2.0, 1.0, 0.0]), torch.tensor([-2.0, -3.0, 0.0, -1.0, 0.0])]
    signs = elect_signs(deltas)
    assert signs.tolist() == [1.0, -1.0, 1.0, 1.0, 1.0]
    # 1 and -1 cancel: elected +, as mergekit has it, so the first model's 1 alone counts.
    assert disjoint_mean(deltas, signs).tolist() == [4.0, -3.0, 2.0, 1.0, 0.0]


def test_the_docstrings_example():
    merged = ties(
        [torch.tensor([4.0, -1.0, 2.0]), torch.tensor([-2.0, -3.0, 1.0])], torch.zeros(3), density=2 / 3, lam=1.0
    )
    assert merged.tolist() == [4.0, -3.0, 2.0]


def test_with_a_base_and_lambda():
    base = torch.tensor([10.0, 20.0, 30.0, 40.0])
    models = [base + torch.tensor([1.0, 0.1, -4.0, 0.0]), base + torch.tensor([3.0, -0.1, 0.2, -2.0])]
    # density 1/2 keeps [1, -4] and [3, -2]; agreeing means: 2, 0, -4, -2
    assert ties(models, base, density=0.5, lam=1.0).tolist() == [12.0, 20.0, 26.0, 38.0]
    assert ties(models, base, density=0.5, lam=0.5).tolist() == [11.0, 20.0, 28.0, 39.0]


def test_one_model_at_density_one_is_itself():
    torch.manual_seed(1)
    base, model = torch.randn(50), torch.randn(50)
    assert torch.allclose(ties([model], base, density=1.0, lam=1.0), model, atol=1e-6)


def test_against_a_slow_reading_of_the_paper():
    torch.manual_seed(2)
    base = torch.randn(6, 7)
    models = [torch.randn(6, 7) for _ in range(3)]
    merged = ties(models, base, density=0.3, lam=0.7).flatten()
    keep = int(0.3 * 42)
    deltas = [(model - base).flatten().tolist() for model in models]
    for delta in deltas:
        for index in sorted(range(42), key=lambda i, d=delta: -abs(d[i]))[keep:]:
            delta[index] = 0.0
    for index in range(42):
        column = [delta[index] for delta in deltas]
        sign = 1 if sum(column) >= 0 else -1
        agreeing = [value for value in column if value * sign > 0]
        mean = sum(agreeing) / len(agreeing) if agreeing else 0.0
        assert merged[index].item() == pytest.approx(base.flatten()[index].item() + 0.7 * mean, abs=1e-5)
