"""The second reading of all models: trim, blend and write, slice by slice."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mmbert_composer.merging.magnitude_threshold import Threshold, trim
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.safetensors_writer import SafetensorsWriter
from mmbert_composer.merging.scan_models import Scan
from mmbert_composer.merging.slice_facts import SliceFacts, slice_facts
from mmbert_composer.merging.slice_pool import SlicePool
from mmbert_composer.merging.slice_reader import SLICE, Slice, SliceReader, slices
from mmbert_composer.merging.stored_model import StoredModel, merged_dtype

if TYPE_CHECKING:
    from mmbert_composer.merging.method_row import Blend


def write_merge(
    models: Sequence[StoredModel],
    base: StoredModel | None,
    method: MergeMethod,
    scan: Scan,
    file: Path,
    *,
    explain: bool = False,
    length: int = SLICE,
    workers: int | None = None,
) -> dict[str, SliceFacts]:
    """Write the merge of ``models`` to the safetensors ``file``; with ``explain`` return the facts of each tensor.

    Sums are float32, the result has the models' type (float32 if they differ). It does not depend, to the last bit, on
    the order of the models: they are taken in that of their hashes; a method that is ordered takes them as they come.
    Tensors of integers are the base's, or what all models share.

    Args:
        scan: of these models and this base.
    """
    first = models[0].tensors
    dtype = merged_dtype(models)
    is_floating = {name: tensor.dtype.is_floating_point for name, tensor in first.items()}
    kinds = {name: (dtype if is_floating[name] else tensor.dtype, tensor.shape) for name, tensor in first.items()}
    order = list(range(len(models)))
    if not method.row.ordered:
        order.sort(key=lambda i: (scan.hashes[i], 0.0 if method.weights is None else method.weights[i]))
        models, method, scan = [models[i] for i in order], method.reordered(order), scan.reordered(order)
    thresholds = scan.threshold_of_slice()
    facts: dict[str, SliceFacts] = {}
    with SafetensorsWriter(file, kinds) as writer, SlicePool(models, base, length=length, workers=workers) as pool:
        blends = {name: method.row.blender(method, products) for name, products in scan.products.items()}

        def merge(reader: SliceReader, piece: Slice) -> SliceFacts | None:
            if not is_floating[piece.name]:
                writer.write_bytes(piece.name, piece.start, reader.read_bytes(piece, origin[piece.name]))
                return None
            return _merge_slice(reader, piece, method, blends[piece.name], thresholds.get(piece), writer, explain)

        origin = first if base is None else base.tensors
        pieces = [piece for name in first for piece in slices(name, first[name].size, length)]
        for piece, found in zip(pieces, pool.map(merge, pieces), strict=True):
            if found is not None:
                facts[piece.name] = facts[piece.name] + found if piece.name in facts else found
    return {name: found.reordered(np.argsort(order)) for name, found in facts.items()}


def _merge_slice(
    reader: SliceReader,
    piece: Slice,
    method: MergeMethod,
    blend: "Blend",
    thresholds: tuple[int, Sequence[Threshold]] | None,
    writer: SafetensorsWriter,
    explain: bool,
) -> SliceFacts | None:
    rows, base = reader.read(piece)
    if base is not None:
        rows.sub_(base)
    differences = rows.clone() if explain else None
    if thresholds is not None:
        number, of_models = thresholds
        for row, threshold in zip(rows, of_models, strict=True):
            trim(row, threshold, number)
    trimmed = rows.clone() if explain else None
    merged = torch.empty_like(rows[0])
    blend(rows, merged)
    facts, lam = None, 1.0 if method.lam is None else method.lam
    if differences is not None and trimmed is not None:
        facts = slice_facts(differences, trimmed, merged, lam)
    if base is not None:
        merged.mul_(lam).add_(base)
    writer.write(piece.name, piece.start, merged)
    return facts
