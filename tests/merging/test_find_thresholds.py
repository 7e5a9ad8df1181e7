import pytest
import torch
from plain_methods import plain_trim

from mmbert_composer.merging.find_thresholds import Group, Trimming, count_rows, find_brackets, find_thresholds
from mmbert_composer.merging.magnitude_threshold import Bracket, trim
from mmbert_composer.merging.slice_pool import SlicePool
from mmbert_composer.merging.slice_reader import slices

SIZE, LENGTH = 150_000, 20_000


@pytest.fixture
def pool(store):
    generator = torch.Generator().manual_seed(0)
    base = store("base", {"w": torch.randn(SIZE, generator=generator)})
    models = [store(f"m{number}", {"w": torch.randn(SIZE, generator=generator)}) for number in range(2)]
    with SlicePool(models, base, length=LENGTH, workers=2) as pool:
        yield pool


GROUP = Group(list(slices("w", SIZE, LENGTH)))


def _found(pool, density, brackets):
    trimming = Trimming(density)
    counted = list(pool.map(lambda reader, piece: count_rows(reader.read_differences(piece), brackets), GROUP.slices))
    thresholds = find_thresholds(pool, GROUP, trimming, brackets, counted)
    pieces = list(pool.map(lambda reader, piece: reader.read_differences(piece).clone(), GROUP.slices))
    deltas = torch.cat(pieces, dim=1)
    for number, rows in enumerate(pieces):
        for row, threshold in zip(rows, thresholds, strict=True):
            trim(row, threshold, number)
    return deltas, torch.cat(pieces, dim=1)


def _brackets(pool, density):
    (brackets,) = pool.map(lambda reader, group: find_brackets(reader, group, Trimming(density)), [GROUP])
    return brackets


@pytest.mark.parametrize("density", [0.001, 0.2, 0.9])
def test_exact_from_a_sample(pool, density):
    brackets = _brackets(pool, density)
    assert all(where.low < where.high for where in brackets)  # a sample, not everything
    for delta, trimmed in zip(*_found(pool, density, brackets), strict=True):
        assert torch.equal(trimmed, plain_trim(delta, int(density * SIZE)))


def test_counts_again_where_a_bracket_missed(pool):
    right, _ = _brackets(pool, 0.2)
    for wrong in (Bracket(5.0, 6.0), Bracket(0.0, 0.01)):
        for delta, trimmed in zip(*_found(pool, 0.2, [right, wrong]), strict=True):
            assert torch.equal(trimmed, plain_trim(delta, int(0.2 * SIZE)))


def test_one_threshold_for_several_tensors(store):
    generator = torch.Generator().manual_seed(1)
    sizes = {"a": 70_000, "b": 3, "c": 50_000}
    weights = {name: torch.randn(size, generator=generator) * (1 + size) for name, size in sizes.items()}
    model = store("m", weights)
    base = store("base", {name: torch.zeros(size) for name, size in sizes.items()})
    group = Group([piece for name in sizes for piece in slices(name, sizes[name], 30_000)])
    with SlicePool([model], base, length=30_000, workers=2) as pool:
        (brackets,) = pool.map(lambda reader, g: find_brackets(reader, g, Trimming(0.3)), [group])
        counted = list(pool.map(lambda reader, p: count_rows(reader.read_differences(p), brackets), group.slices))
        (threshold,) = find_thresholds(pool, group, Trimming(0.3), brackets, counted)
    together = torch.cat([weights[name] for name in sizes]).abs()
    assert threshold.value == together.sort(descending=True).values[int(0.3 * len(together)) - 1]
