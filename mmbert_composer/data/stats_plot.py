"""A picture of a data folder: how many tokens each language and source has."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from mmbert_composer.data.atomic_write import sync
from mmbert_composer.data.data_tables import by_source
from mmbert_composer.data.manifest import Manifest

NAMED_STEP = 1.5
"""From one language that is named in the picture to the next, as a ratio of their ranks."""


def draw_stats(manifest: Manifest, path: Path) -> None:
    """Write a picture in the form that the name of ``path`` ends with.

    Above, the streams of each source by rank, both axes logarithmic: a straight fall is Zipf's. Below, the sources.
    """
    sources = {
        source: sorted((entry for entry in entries if entry.blocks), key=lambda entry: -entry.tokens)
        for source, entries in by_source(manifest).items()
    }
    sources = {source: entries for source, entries in sources.items() if entries}
    with mpl.rc_context({"svg.hashsalt": "mmbert", "svg.fonttype": "none", "axes.spines.top": False}):
        figure = Figure(figsize=(9, 5.5 + 0.3 * len(sources)), layout="constrained")
        ranks, bars = figure.subplots(2, 1, height_ratios=[5, 1 + 0.35 * len(sources)])
        for source, entries in sources.items():
            tokens = [entry.tokens for entry in entries]
            ranks.plot(np.arange(1, len(tokens) + 1), tokens, marker="." if len(tokens) < 100 else "", label=source)
        largest = max(sources.values(), key=len, default=[])
        for rank in sorted({round(NAMED_STEP**power) for power in range(99)}):
            if rank <= len(largest):
                entry = largest[rank - 1]
                label = entry.name.rpartition("/")[2]
                place = (rank, entry.tokens)
                ranks.annotate(label, place, (2, 4), textcoords="offset points", fontsize=7, rotation=45)
        ranks.set(xscale="log", yscale="log", xlabel="rank of the language in its source", ylabel="tokens")
        ranks.grid(alpha=0.3)
        if sources:
            ranks.legend(frameon=False)
        names = list(sources)
        totals = [sum(entry.tokens for entry in entries) for entries in sources.values()]
        bars.barh(names, totals, color=[line.get_color() for line in ranks.lines])
        for name, total, entries in zip(names, totals, sources.values(), strict=True):
            bars.annotate(f" {total:,} in {len(entries):,} streams", (total, name), va="center", fontsize=8)
        bars.invert_yaxis()
        bars.set(xlabel="tokens", xlim=(0, 1.45 * max(totals, default=1)))
        figure.suptitle(f"{manifest.tokens:,} tokens in {manifest.blocks:,} blocks of {manifest.block_size:,}")
        temporary = path.with_name(f".{path.name}.unfinished{path.suffix}")
        figure.savefig(temporary, dpi=150)
    sync(temporary)
    temporary.replace(path)
