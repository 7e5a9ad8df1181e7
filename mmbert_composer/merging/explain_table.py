"""explain.json as a table on the console."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.merging.explain_merge import EXPLANATION

_SHOWN = 3
_SHARES = ("density", "conflicts", "agree")


def read_explanation(folder: Path) -> dict[str, Any]:
    """The explain.json of a merge."""
    return json.loads((folder / EXPLANATION).read_text(encoding="utf-8"))


def explain_table(content: Mapping[str, Any]) -> Table:
    """One line for each group of parameters, everything in per cent but their number."""
    base = content["base"]
    table = Table(
        title="What the merge did, in %",
        caption=_legend(content),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE,
    )
    table.add_column("parameters of", no_wrap=True)
    table.add_column("number", justify="right", no_wrap=True)
    for column in _SHARES if base else ():
        table.add_column(column, justify="right")
    for column in ("to base", "to merge", "moved") if base else ("to merge",):
        table.add_column(column, justify="right")
    for row in content["groups"]:
        length = row["length"] or 1.0
        cells = [row["group"], format_tokens(row["parameters"])]
        if base:
            cells += [_several(row["density"]), _percent(row["conflicts"]), _percent(row["agreeing"])]
            cells.append(_several([distance / length for distance in row["to_base"]]))
        cells.append(_several([distance / length for distance in row["to_merge"]]))
        if base:
            cells.append(_percent(row["merge_to_base"] / length))
        table.add_row(*cells, end_section=row is content["groups"][-2])
    return table


def _legend(content: Mapping[str, Any]) -> str:
    models = ", ".join(f"{number} {name}" for number, name in enumerate(content["models"], 1))
    if content["base"] is None:
        return f"models: {models}. to merge: each model's distance to the merge, as a share of the merge's length."
    return (
        f"models: {models}; base: {content['base']}. density: differences kept after trimming; conflicts: parameters "
        "where two models' differences have opposite signs; agree: of the differences kept, those with the merge's "
        "sign. Distances as shares of the base's length: each model to the base and to the merge; moved: merge to base."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"


def _several(shares: Sequence[float]) -> str:
    """One number for each model; once if they look alike, the range if they are many."""
    texts = [_percent(share) for share in shares]
    if len(set(texts)) == 1:
        return texts[0]
    # With room to break a line.
    return " / ".join(texts) if len(texts) <= _SHOWN else f"{_percent(min(shares))} to {_percent(max(shares))}"
