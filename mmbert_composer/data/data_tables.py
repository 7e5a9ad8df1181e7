"""Tables of a data folder for the terminal."""

from collections import defaultdict

from rich import box
from rich.table import Table

from mmbert_composer.data.languages import stream_display_name
from mmbert_composer.data.manifest import Manifest, StreamEntry

_NUMBERS = ("docs", "tokens", "blocks", "fill", "held", "drops")
_WIDTHS = {"tokens": 11, "blocks": 6}


def by_source(manifest: Manifest) -> dict[str, list[StreamEntry]]:
    """Each source's streams."""
    sources: dict[str, list[StreamEntry]] = defaultdict(list)
    for name, entry in manifest.streams.items():
        sources[name.rpartition("/")[0]].append(entry)
    return dict(sorted(sources.items()))


def source_table(manifest: Manifest) -> Table:
    """One row a source, and a last one for all."""
    table = _table(f"{manifest.root}: blocks of {manifest.block_size:,} tokens", ("source", "streams"))
    for source, entries in by_source(manifest).items():
        table.add_row(source, f"{sum(e.blocks > 0 for e in entries):,}", *_numbers(manifest, entries))
    everything = list(manifest.streams.values())
    table.add_section()
    table.add_row("all", f"{sum(e.blocks > 0 for e in everything):,}", *_numbers(manifest, everything))
    return table


def stream_table(manifest: Manifest, top: int) -> Table:
    """One row a stream, the most tokens first; the ``top`` first ones, or all for 0."""
    ranked = sorted(manifest.streams.values(), key=lambda entry: (-entry.tokens, entry.name))
    shown = ranked[:top] if top else ranked
    title = f"the {len(shown):,} largest of {len(ranked):,} streams" if len(shown) < len(ranked) else "streams"
    table = _table(title, ("stream", "language"))
    for entry in shown:
        table.add_row(entry.name, stream_display_name(entry.name), *_numbers(manifest, [entry]))
    return table


def _table(title: str, first: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in first:
        table.add_column(name, no_wrap=True, max_width=20 if name == "language" else None)
    for name in _NUMBERS:
        # Full numbers also on a narrow terminal: names give way.
        table.add_column(name, justify="right", no_wrap=True, min_width=_WIDTHS.get(name, 5))
    return table


def _numbers(manifest: Manifest, entries: list[StreamEntry]) -> list[str]:
    blocks = sum(entry.blocks for entry in entries)
    tokens = sum(entry.tokens for entry in entries)
    return [
        f"{sum(entry.documents for entry in entries):,}",
        f"{tokens:,}",
        f"{blocks:,}",
        f"{tokens / (blocks * manifest.block_size):.1%}" if blocks else "-",
        f"{sum(entry.heldout_documents for entry in entries):,}",
        f"{sum(sum(entry.drops.values()) for entry in entries):,}",
    ]
