import itertools

import pytest
import torch
from plain_methods import plain_mean, plain_slerp, plain_ties, plain_trim
from safetensors.torch import load, load_file

from mmbert_composer.checkpoints.model_weights import EMBEDDING
from mmbert_composer.merging.find_thresholds import Trimming
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.scan_models import scan_models
from mmbert_composer.merging.write_merge import write_merge

NAME = "model.layers.0.attn.Wo.weight"


@pytest.fixture
def merge(tmp_path):
    def run(models, method, base=None, *, explain=False, length=64, workers=2):
        trimming = Trimming(method.density, method.trim == "model") if method.density else None
        scan = scan_models(models, base, trimming, length=length, workers=workers)
        file = tmp_path / "out.safetensors"
        facts = write_merge(models, base, method, scan, file, explain=explain, length=length, workers=workers)
        merged = load(file.read_bytes())  # not mapped: the next merge writes into the same file
        return (merged, facts) if explain else merged

    return run


def _weights(models):
    return [load_file(f"{model.name}/model.safetensors") for model in models]


def _check(merged, models, expected):
    """``expected`` of the models' tensors against what was written, for every floating tensor."""
    weights = _weights(models)
    for name in (NAME, "decoder.bias"):
        assert torch.allclose(merged[name], expected(name, [model[name] for model in weights]), atol=1e-6), name


def test_linear_and_ema(random_models, merge):
    models, _ = random_models(3)
    _check(merge(models, MergeMethod()), models, lambda name, ts: (ts[0] + ts[1] + ts[2]) / 3)
    weighted = MergeMethod(weights=(0.5, 0.2, 0.3))
    _check(merge(models, weighted), models, lambda name, ts: 0.5 * ts[0] + 0.2 * ts[1] + 0.3 * ts[2])
    normalised = MergeMethod(weights=(5, 2, 3), normalize=True)
    _check(merge(models, normalised), models, lambda name, ts: 0.5 * ts[0] + 0.2 * ts[1] + 0.3 * ts[2])
    ema = MergeMethod("ema", decay=0.5)
    _check(merge(models, ema), models, lambda name, ts: (ts[0] + 2 * ts[1] + 4 * ts[2]) / 7)


def test_slerp(random_models, merge):
    models, _ = random_models(2)
    for t in (0.5, 0.2):
        _check(merge(models, MergeMethod("slerp", t=t)), models, lambda name, ts, t=t: plain_slerp(*ts, t))


def test_task_arithmetic(random_models, merge):
    models, base = random_models(2)
    origin = _weights([base])[0]
    method = MergeMethod("task_arithmetic", weights=(0.7, -0.2), lam=0.5)
    _check(
        merge(models, method, base),
        models,
        lambda name, ts: origin[name] + 0.5 * (0.7 * (ts[0] - origin[name]) - 0.2 * (ts[1] - origin[name])),
    )


@pytest.mark.parametrize("length", [16, 64, 4096])
def test_ties(random_models, merge, length):
    models, base = random_models(3)
    origin = _weights([base])[0]
    for density, lam in ((0.2, 1.0), (0.5, 0.7), (1.0, 1.0)):
        merged = merge(models, MergeMethod("ties", density=density, lam=lam), base, length=length)
        _check(merged, models, lambda name, ts, d=density, lam=lam: plain_ties(ts, origin[name], d, lam))


def test_ties_trimmed_over_the_whole_model(random_models, merge):
    models, base = random_models(3)
    weights, origin = _weights(models), _weights([base])[0]
    names = ["decoder.bias", EMBEDDING, NAME]
    together = [torch.cat([(model[name] - origin[name]).flatten() for name in names]) for model in weights]
    keep = int(0.2 * len(together[0]))
    mean = plain_mean([plain_trim(delta, keep) for delta in together]).float()
    expected = dict(zip(names, mean.split([origin[name].numel() for name in names]), strict=True))
    merged = merge(models, MergeMethod("ties", trim="model"), base)
    _check(merged, models, lambda name, ts: origin[name] + expected[name].view(origin[name].shape))


METHODS = [
    (MergeMethod(), 4),
    (MergeMethod(weights=(0.1, 0.2, 0.3, 0.4)), 4),
    (MergeMethod("ties", density=0.4), 4),
    (MergeMethod("ties", density=0.4, weights=(0.1, 0.2, 0.3, 0.4)), 4),
    (MergeMethod("ties", trim="model"), 4),
    (MergeMethod("task_arithmetic"), 4),
    (MergeMethod("slerp"), 2),
]


@pytest.mark.parametrize(("method", "count"), METHODS)
def test_order_of_models_changes_no_bit(random_models, merge, method, count):
    models, base = random_models(count)
    base = base if method.needs_base else None
    first = merge(models, method, base)
    for order in itertools.permutations(range(count)):
        # weights go with their models
        moved = method if method.weights is None else method.reordered(order)
        merged = merge([models[i] for i in order], moved, base)
        assert all(torch.equal(merged[name], first[name]) for name in first)


def test_threads_and_their_number_change_no_bit(random_models, merge):
    models, base = random_models(3)
    first = merge(models, MergeMethod("ties"), base, workers=1)
    for _ in range(3):
        again = merge(models, MergeMethod("ties"), base, workers=3)
        assert all(torch.equal(again[name], first[name]) for name in first)


def test_order_counts_for_ema(random_models, merge):
    models, _ = random_models(2)
    ema = MergeMethod("ema")
    assert not torch.equal(merge(models, ema)[NAME], merge(models[::-1], ema)[NAME])


def test_integers_are_never_averaged(random_models, merge):
    models, base = random_models(2)
    assert merge(models, MergeMethod())["steps"].tolist() == [7, 8]
    assert merge(models, MergeMethod("ties"), base)["steps"].tolist() == [7, 9]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_are_float32_and_the_type_stays(random_models, merge, dtype):
    models, base = random_models(3, dtype)
    weights, origin = _weights(models), _weights([base])[0]
    merged = merge(models, MergeMethod())
    assert merged[NAME].dtype == dtype
    wide = [model[NAME].float() for model in weights]
    assert torch.allclose(merged[NAME].float(), ((wide[0] + wide[1] + wide[2]) / 3).to(dtype).float(), rtol=0.01)
    exact = (wide[0] / 3 + wide[1] / 3 + wide[2] / 3).to(dtype)
    assert (merged[NAME] != exact).float().mean() < 0.01  # not through sums of the narrow type
    ties = merge(models, MergeMethod("ties"), base)[NAME]
    assert ties.dtype == dtype
    expected = plain_ties([model[NAME] for model in weights], origin[NAME], 0.2)
    assert torch.allclose(ties.float(), expected, atol=0.02)


def test_mixed_types_become_float32(store, merge):
    full = store("full", {"w": torch.tensor([1.0, 1.001]), "b": torch.ones(1)})
    half = store("half", {"w": torch.tensor([2.0, 3.0]).bfloat16(), "b": torch.ones(1).bfloat16()})
    merged = merge([full, half], MergeMethod())
    assert {tensor.dtype for tensor in merged.values()} == {torch.float32}
    assert merged["w"].tolist() == pytest.approx([1.5, 2.0005])


def test_facts(store, merge):
    base = store("base", {"w": torch.tensor([10.0, 20.0, 30.0, 40.0])})
    models = [
        store("one", {"w": torch.tensor([11.0, 20.1, 26.0, 40.0])}),
        store("other", {"w": torch.tensor([13.0, 19.9, 30.2, 38.0])}),
    ]
    merged, facts = merge(models, MergeMethod("ties", density=0.75), base, explain=True, length=3)
    # kept: [1, .1, -4, 0] and [3, 0, .2, -2] or [3, -.1, ..]: three each; the third is elected -, its .2 does not agree
    assert merged["w"].tolist() == pytest.approx([12.0, 20.1, 26.0, 38.0])
    found = facts["w"]
    assert found.elements == 4
    assert found.kept.tolist() == [3, 3]
    assert found.conflicts == 1
    assert found.agreeing == 5
    assert found.merge_square == pytest.approx(4 + 0.01 + 16 + 4, abs=1e-4)
    one, other = found.to_merge.tolist()
    assert one == pytest.approx(1 + 4, abs=1e-4)
    assert other == pytest.approx(1 + 0.04 + 4.2**2, abs=1e-3)


def test_facts_do_not_change_the_merge_nor_follow_its_order(random_models, merge):
    models, base = random_models(3)
    plain = merge(models, MergeMethod("ties"), base)
    explained, facts = merge(models, MergeMethod("ties"), base, explain=True)
    assert all(torch.equal(plain[name], explained[name]) for name in plain)
    for order in itertools.permutations(range(3)):
        _, moved = merge([models[i] for i in order], MergeMethod("ties"), base, explain=True)
        assert moved[NAME].to_merge.tolist() == [facts[NAME].to_merge[i] for i in order]
