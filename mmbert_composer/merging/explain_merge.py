"""What a merge did to each group of parameters: the content of explain.json."""

from collections.abc import Mapping, Sequence
from functools import reduce
from math import sqrt
from operator import add
from typing import Any

import numpy as np

from mmbert_composer.merging.parameter_groups import group_parameters
from mmbert_composer.merging.scan_models import Scan
from mmbert_composer.merging.slice_facts import SliceFacts

EXPLANATION = "explain.json"
EVERYTHING = "all"


def explain_merge(
    models: Sequence[str], base: str | None, scan: Scan, facts: Mapping[str, SliceFacts]
) -> dict[str, Any]:
    """A row for each group of parameters, and one for all.

    Each row: ``group``, ``parameters`` (a count), ``to_merge`` (each model's distance to the merge) and ``length``
    (the base's own, or without a base the merge's); distances are Euclidean. With a base also ``to_base`` (each
    model's distance to it), ``merge_to_base``, ``density`` (each model's share of differences that are not 0 after
    trimming), ``conflicts`` (share of parameters where two models' differences have opposite signs) and ``agreeing``
    (of the differences kept, over all models, the share that has the sign of the merge's).
    """
    groups = {**group_parameters(facts), EVERYTHING: list(facts)}
    rows = [_row(group, names, scan, facts, has_base=base is not None) for group, names in groups.items()]
    return {"format": 1, "models": list(models), "base": base, "groups": rows}


def _row(
    group: str, names: Sequence[str], scan: Scan, facts: Mapping[str, SliceFacts], *, has_base: bool
) -> dict[str, Any]:
    total = reduce(add, (facts[name] for name in names))
    row: dict[str, Any] = {
        "group": group,
        "parameters": total.elements,
        "to_merge": np.sqrt(total.to_merge).tolist(),
        "length": sqrt(total.merge_square),
    }
    if not has_base:
        return row
    kept = int(total.kept.sum())
    squares = np.sum([np.diag(scan.products[name]) for name in names], axis=0)
    return {
        **row,
        "length": sqrt(sum(scan.base_squares[name] for name in names)),
        "to_base": np.sqrt(squares).tolist(),
        "merge_to_base": sqrt(total.merge_square),
        "density": (total.kept / total.elements).tolist(),
        "conflicts": total.conflicts / total.elements,
        "agreeing": total.agreeing / kept if kept else 1.0,
    }
