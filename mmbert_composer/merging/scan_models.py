"""The first reading of all models: hashes, broken values, distances, and where to trim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray

from mmbert_composer.errors import UserError
from mmbert_composer.merging.find_thresholds import Group, Trimming, count_rows, find_brackets, find_thresholds
from mmbert_composer.merging.magnitude_threshold import Bracket, Counted, Threshold
from mmbert_composer.merging.slice_pool import SlicePool
from mmbert_composer.merging.slice_reader import SLICE, Slice, SliceReader, digest, slices
from mmbert_composer.merging.stored_model import StoredModel


@dataclass(frozen=True)
class Scan:
    """What the first reading found.

    ``hashes``: of each model, then of the base. ``products``: for each floating tensor the inner products [models,
    models] of the models' differences from the base, or without one of their values; off the diagonal 0 where nobody
    needs them. ``base_squares``: the base's own product, 0 without one. ``groups``: the slices that share thresholds.
    ``thresholds``: of each group one for each model; none where nothing is trimmed.
    """

    hashes: Sequence[str]
    products: Mapping[str, NDArray[np.float64]]
    base_squares: Mapping[str, float]
    groups: Sequence[Group]
    thresholds: Sequence[Sequence[Threshold]]

    def reordered(self, order: Sequence[int]) -> "Scan":
        """The same for the models in another order: the new i-th is the old ``order[i]``-th."""
        count = len(order)
        return replace(
            self,
            hashes=[*(self.hashes[i] for i in order), *self.hashes[count:]],
            products={name: matrix[np.ix_(order, order)] for name, matrix in self.products.items()},
            thresholds=[[found[i] for i in order] for found in self.thresholds],
        )

    def threshold_of_slice(self) -> dict[Slice, tuple[int, Sequence[Threshold]]]:
        """Slice to its number in its group and the group's thresholds; empty where nothing is trimmed."""
        return {
            piece: (number, found)
            for group, found in zip(self.groups, self.thresholds, strict=False)
            for number, piece in enumerate(group.slices)
        }


@dataclass(frozen=True)
class _Seen:
    """What one slice held. ``broken``: numbers of the models with NaN or infinity, the base's after the last."""

    digests: list[bytes]
    products: NDArray[np.float64]
    base_square: float
    broken: set[int]
    counted: list[Counted]


def scan_models(
    models: Sequence[StoredModel],
    base: StoredModel | None,
    trimming: Trimming | None,
    *,
    all_products: bool = True,
    length: int = SLICE,
    workers: int | None = None,
) -> Scan:
    """Read every model once, and the base; a little more where something is to be trimmed.

    Args:
        trimming: None where nothing is trimmed; else there is a base.
        all_products: also those off the diagonal.

    Raises:
        UserError: NaN or infinite values, with the model and the tensors; integers that differ without a base.
    """
    everyone = [*models, *([base] if base else [])]
    tensors = models[0].tensors
    floating = [name for name, tensor in tensors.items() if tensor.dtype.is_floating_point]
    groups = _groups({name: list(slices(name, tensors[name].size, length)) for name in floating}, trimming)
    digests: dict[str, list[list[bytes]]] = {name: [] for name in tensors}
    products = {name: np.zeros((len(models), len(models))) for name in floating}
    base_squares = dict.fromkeys(floating, 0.0)
    broken: dict[int, set[str]] = {}
    thresholds: list[list[Threshold]] = []
    with SlicePool(models, base, length=length, workers=workers) as pool:
        brackets: list[list[Bracket]] = [[] for _ in groups]
        if trimming is not None:
            brackets = list(pool.map(lambda reader, group: find_brackets(reader, group, trimming), groups))
        items = [(piece, where) for group, where in zip(groups, brackets, strict=True) for piece in group.slices]
        looks = pool.map(lambda reader, item: _look(reader, item[0], item[1], all_products), items)
        for group, where in zip(groups, brackets, strict=True):
            counted: list[list[Counted]] = []
            for piece in group.slices:
                seen = next(looks)
                digests[piece.name].append(seen.digests)
                products[piece.name] += seen.products
                base_squares[piece.name] += seen.base_square
                counted.append(seen.counted)
                for number in seen.broken:
                    broken.setdefault(number, set()).add(piece.name)
            if trimming is not None and not broken:
                thresholds.append(find_thresholds(pool, group, trimming, where, counted))
        for name in tensors.keys() - products.keys():
            pieces = slices(name, tensors[name].size, length)
            digests[name] = list(pool.map(lambda reader, piece: _digests(reader, piece, everyone), pieces))
    _refuse_broken(everyone, broken)
    if base is None:
        _refuse_other_integers(models, {name: digests[name] for name in tensors.keys() - products.keys()})
    hashes = [
        _hash(model, {name: [row[number] for row in rows] for name, rows in digests.items()})
        for number, model in enumerate(everyone)
    ]
    return Scan(hashes, products, base_squares, groups, thresholds)


def _groups(by_tensor: Mapping[str, list[Slice]], trimming: Trimming | None) -> list[Group]:
    groups = [Group(pieces) for pieces in by_tensor.values() if pieces]
    if trimming is not None and trimming.whole_model:
        return [Group([piece for group in groups for piece in group.slices])]
    return groups


def _look(reader: SliceReader, piece: Slice, brackets: Sequence[Bracket], all_products: bool) -> _Seen:
    digests: list[bytes] = []
    rows, base = reader.read(piece, digests)
    base_square = 0.0
    if base is not None:
        base_square = float(base.dot(base))
        rows.sub_(base)
    products = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        for j in range(i + 1) if all_products else (i,):
            products[i, j] = products[j, i] = float(row.dot(rows[j]))
    counted = count_rows(rows, brackets) if brackets else []
    # A square that is not finite comes of a broken value, or of a very large one.
    finite = np.isfinite(products).all() and np.isfinite(base_square)
    return _Seen(digests, products, base_square, set() if finite else _broken(reader, piece), counted)


def _broken(reader: SliceReader, piece: Slice) -> set[int]:
    rows, base = reader.read(piece)
    everyone = [*rows, *([base] if base is not None else [])]
    return {number for number, row in enumerate(everyone) if not bool(torch.isfinite(row).all())}


def _digests(reader: SliceReader, piece: Slice, models: Sequence[StoredModel]) -> list[bytes]:
    return [digest(reader.read_bytes(piece, model.tensors[piece.name])) for model in models]


def _hash(model: StoredModel, digests: Mapping[str, Sequence[bytes]]) -> str:
    """xxh3-128 over names, types, shapes and the digests of the slices: equal where the weights are."""
    whole = xxhash.xxh3_128()
    for name, tensor in model.tensors.items():
        whole.update(f"{name} {tensor.dtype} {tensor.shape};".encode())
        whole.update(b"".join(digests[name]))
    return whole.hexdigest()


def _refuse_broken(models: Sequence[StoredModel], broken: Mapping[int, set[str]]) -> None:
    if broken:
        shown = "; ".join(
            f"{models[number].name} holds NaN or infinite values in {', '.join(sorted(names))}"
            for number, names in sorted(broken.items())
        )
        raise UserError(f"merge: {shown}; leave such a model out")


def _refuse_other_integers(models: Sequence[StoredModel], digests: Mapping[str, Sequence[Sequence[bytes]]]) -> None:
    for name, rows in sorted(digests.items()):
        if any(len(set(row)) > 1 for row in rows) or len({model.tensors[name].dtype for model in models}) > 1:
            shown = ", ".join(sorted(model.name for model in models))
            raise UserError(f"merge: {name} holds integers that differ between {shown}, and integers are not averaged")
