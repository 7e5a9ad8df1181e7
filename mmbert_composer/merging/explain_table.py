"""explain.json as a table on the console."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from mmbert_composer.merging.explain_merge import EXPLANATION

_SHOWN = 3


def read_explanation(folder: Path) -> dict[str, Any]:
    """The explain.json of a merge."""
    return json.loads((folder / EXPLANATION).read_text(encoding="utf-8"))


def explain_table(content: Mapping[str, Any]) -> Table:
    """One line for each group; distances in per cent of the base's length (without a base: of the merge's)."""
    models, base = content["models"], content["base"]
    numbered = ", ".join(f"{number} {name}" for number, name in enumerate(models, 1))
    of = "the base's length" if base else "the merge's length"
    table = Table(
        title="what the merge did",
        caption=f"models: {numbered}{f'; base: {base}' if base else ''}; distances in % of {of}",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("parameters of")
    table.add_column("count", justify="right")
    if base:
        for column in ("density %", "sign conflicts %", "kept that agree %", "models to base"):
            table.add_column(column, justify="right")
    table.add_column("models to merge", justify="right")
    if base:
        table.add_column("merge to base", justify="right")
    for row in content["groups"]:
        length = row["length"] or 1.0
        cells = [row["group"], f"{row['parameters']:,}"]
        if base:
            cells += [_several(row["density"]), _percent(row["conflicts"]), _percent(row["agreeing"])]
            cells.append(_several([distance / length for distance in row["to_base"]]))
        cells.append(_several([distance / length for distance in row["to_merge"]]))
        if base:
            cells.append(_percent(row["merge_to_base"] / length))
        table.add_row(*cells, end_section=row is content["groups"][-2])
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"


def _several(shares: Sequence[float]) -> str:
    """One number for each model; once if they look alike, the range if they are many."""
    texts = [_percent(share) for share in shares]
    if len(set(texts)) == 1:
        return texts[0]
    return " / ".join(texts) if len(texts) <= _SHOWN else f"{_percent(min(shares))} to {_percent(max(shares))}"
