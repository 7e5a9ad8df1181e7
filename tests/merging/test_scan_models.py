import itertools

import numpy as np
import pytest
import torch
from plain_methods import plain_trim

from mmbert_composer.errors import UserError
from mmbert_composer.merging.find_thresholds import Trimming
from mmbert_composer.merging.magnitude_threshold import trim
from mmbert_composer.merging.scan_models import scan_models
from mmbert_composer.merging.slice_reader import Slice, SliceReader

NAME = "model.layers.0.attn.Wo.weight"


def test_hashes_are_of_the_content(store):
    weights = {"w": torch.arange(6.0).view(2, 3)}
    variants = {
        "one": weights,
        "again": {"w": weights["w"].clone()},
        "shape": {"w": weights["w"].view(3, 2)},
        "name": {"v": weights["w"]},
        "value": {"w": weights["w"] + 1},
        "type": {"w": weights["w"].half()},
    }
    hashes = [scan_models([store(name, content)], None, None).hashes[0] for name, content in variants.items()]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == len(variants) - 1


def test_products(random_models):
    models, base = random_models(3)
    scan, alone = scan_models(models, base, None, length=100, workers=2), scan_models(models, None, None)
    rows, origin = SliceReader(models, base).read(Slice(NAME, 0, 0, 700))
    values, differences = rows.double(), (rows - origin).double()
    assert np.allclose(scan.products[NAME], (differences @ differences.T).numpy(), rtol=1e-5)
    assert np.allclose(alone.products[NAME], (values @ values.T).numpy(), rtol=1e-5)
    assert scan.base_squares[NAME] == pytest.approx(float(origin.dot(origin)), rel=1e-5)
    needed = scan_models(models, base, None, all_products=False).products[NAME]
    assert np.count_nonzero(needed) == 3
    assert len(scan.hashes) == 4


@pytest.mark.parametrize("whole_model", [False, True])
def test_thresholds_do_not_depend_on_slices_or_threads(random_models, whole_model):
    models, base = random_models(2)
    trimmed = []
    for length, workers in ((1000, 1), (64, 2), (7, 3)):
        scan = scan_models(models, base, Trimming(0.3, whole_model), length=length, workers=workers)
        reader, parts = SliceReader(models, base, length), {}
        for piece, (number, thresholds) in scan.threshold_of_slice().items():
            rows = reader.read_differences(piece).clone()
            for row, threshold in zip(rows, thresholds, strict=True):
                trim(row, threshold, number)
            parts.setdefault(piece.name, []).append(rows)
        trimmed.append({name: torch.cat(rows, 1) for name, rows in parts.items()})
    deltas = {
        name: torch.cat([SliceReader(models, base, 1000).read_differences(p).clone() for p in g.slices], 1)
        for g in scan_models(models, base, None).groups
        for name in {p.name for p in g.slices}
    }
    for model in range(2):
        if whole_model:
            together = torch.cat([deltas[name][model] for name in deltas])
            expected = plain_trim(together, int(0.3 * len(together))).split([d.shape[1] for d in deltas.values()])
        else:
            expected = [plain_trim(d[model], max(1, int(0.3 * d.shape[1]))) for d in deltas.values()]
        for found in trimmed:
            for name, row in zip(deltas, expected, strict=True):
                assert torch.equal(found[name][model], row)


def test_models_in_another_order(random_models):
    models, base = random_models(3)
    scan = scan_models(models, base, Trimming(0.5))
    for order in itertools.permutations(range(3)):
        again = scan_models([models[i] for i in order], base, Trimming(0.5))
        moved = scan.reordered(order)
        assert moved.hashes == again.hashes
        assert moved.thresholds == again.thresholds
        assert all(np.array_equal(moved.products[name], again.products[name]) for name in scan.products)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_broken_values_are_refused_and_all_named(store, value):
    good = {"v": torch.ones(3), "w": torch.ones(50)}
    bad = {"v": torch.tensor([1.0, value, 1.0]), "w": torch.ones(50).index_fill(0, torch.tensor([40]), value)}
    whole, broken = store("whole", good), store("broken", bad)
    with pytest.raises(UserError, match=r"merge: \S*broken holds NaN or infinite values in v, w; leave such a model"):
        scan_models([whole, broken], None, None, length=8)
    with pytest.raises(UserError, match=r"broken holds NaN or infinite values in v, w"):
        scan_models([whole, whole], broken, Trimming(0.2), length=8)


def test_very_large_values_are_not_broken(store):
    models = [store(f"m{i}", {"w": torch.full((4,), 3e38)}) for i in range(2)]
    assert len(scan_models(models, None, None).hashes) == 2


def test_integers_that_differ(store):
    one = store("a", {"w": torch.ones(1), "steps": torch.tensor([1])})
    other = store("b", {"w": torch.ones(1), "steps": torch.tensor([4])})
    with pytest.raises(UserError, match=r"steps holds integers that differ between \S*a, \S*b, and integers are not"):
        scan_models([one, other], None, None)
    scan_models([one, other], one, None)
    scan_models([one, one], None, None)
