import itertools

import pytest
import torch

from mmbert_composer.errors import UserError
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_weights import merge_weights, read_weights


def _models(count, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [
        read_weights(
            f"model{i}",
            {
                "w": torch.randn(40, 5, generator=generator).to(dtype),
                "b": torch.randn(3, generator=generator).to(dtype),
                "steps": torch.tensor([7, 8]),
            },
        )
        for i in range(count)
    ]


def test_values():
    models = [
        read_weights("a", {"w": torch.tensor([1.0, 2.0]), "s": torch.tensor(0.0)}),
        read_weights("b", {"w": torch.tensor([3.0, 6.0]), "s": torch.tensor(1.0)}),
    ]
    merged = merge_weights(models, MergeMethod())
    assert merged["w"].tolist() == [2.0, 4.0]
    assert merged["s"].item() == 0.5
    assert merge_weights(models, MergeMethod(weights=(0.75, 0.25)))["w"].tolist() == [1.5, 3.0]
    assert merge_weights(models[::-1], MergeMethod(weights=(0.25, 0.75)))["w"].tolist() == [1.5, 3.0]
    assert merge_weights(models, MergeMethod("ema", decay=0.5))["s"].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("method", [MergeMethod(), MergeMethod("ties", density=0.4)])
def test_order_of_models_changes_no_bit(method):
    models, base = _models(4), _models(5)[4]
    base = base if method.needs_base else None
    first = merge_weights(models, method, base)
    for order in itertools.permutations(models):
        merged = merge_weights(order, method, base)
        assert all(torch.equal(merged[name], first[name]) for name in first)


def test_order_counts_for_ema():
    models = _models(2)
    assert not torch.equal(
        merge_weights(models, MergeMethod("ema"))["w"], merge_weights(models[::-1], MergeMethod("ema"))["w"]
    )


def test_integers_are_never_averaged():
    one = read_weights("a", {"w": torch.ones(1), "steps": torch.tensor([1])})
    other = read_weights("b", {"w": torch.ones(1), "steps": torch.tensor([4])})
    assert merge_weights([one, one], MergeMethod())["steps"].tolist() == [1]
    assert merge_weights([other], MergeMethod("ties"), one)["steps"].tolist() == [1]
    with pytest.raises(UserError, match="steps holds integers that differ between a, b"):
        merge_weights([one, other], MergeMethod())


def test_types():
    halves = _models(2, torch.bfloat16)
    assert merge_weights(halves, MergeMethod())["w"].dtype == torch.bfloat16
    assert merge_weights([halves[0], _models(1)[0]], MergeMethod())["w"].dtype == torch.float32
    wide = [model.weights["w"].float() for model in halves]
    assert torch.equal(merge_weights(halves, MergeMethod())["w"], ((wide[0] + wide[1]) / 2).bfloat16())


def test_what_does_not_match_is_named_all_at_once():
    one = read_weights("a", {"w": torch.ones(2), "x": torch.ones(1), "y": torch.ones(1)})
    other = read_weights("b", {"w": torch.ones(3), "z": torch.ones(1), "y": torch.ones(1)})
    with pytest.raises(UserError) as error:
        merge_weights([one, other], MergeMethod())
    text = str(error.value)
    assert "x is missing in b" in text
    assert "z is only in b" in text
    assert "w has shapes [2] and [3] in a and b" in text
    assert "y" not in text.split("match:")[1].replace("only", "")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_values_are_refused(value):
    weights = {"good": torch.ones(3), "bad": torch.tensor([1.0, value])}
    with pytest.raises(UserError, match="merge: m holds NaN or infinite values in bad"):
        read_weights("m", weights)


def test_ties_needs_a_base():
    with pytest.raises(UserError, match="method=ties needs a base"):
        merge_weights(_models(2), MergeMethod("ties"))


def test_hash_is_of_the_content():
    weights = {"w": torch.arange(6.0).reshape(2, 3)}
    known = read_weights("a", weights).hash
    assert read_weights("b", {"w": weights["w"].clone()}).hash == known
    assert read_weights("b", {"w": weights["w"].t().contiguous().t()}).hash == known
    assert read_weights("b", {"w": weights["w"].reshape(3, 2)}).hash != known
    assert read_weights("b", {"v": weights["w"]}).hash != known
