"""What a data folder holds, as files: a CSV, a JSON, a picture."""

import csv
import io
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json, write_text
from mmbert_composer.data.data_tables import by_source
from mmbert_composer.data.languages import stream_display_name
from mmbert_composer.data.manifest import Manifest, StreamEntry
from mmbert_composer.errors import UserError

PICTURES = (".png", ".svg", ".pdf")

COLUMNS: tuple[str, ...] = (
    "source",
    "language",
    "name",
    "tokens",
    "blocks",
    "documents",
    "fill",
    "bytes",
    "heldout_documents",
    "heldout_blocks",
    "heldout_tokens",
    "dropped",
    "licence",
)


def write_stats(
    manifest: Manifest, *, table: Path | None = None, tree: Path | None = None, picture: Path | None = None
) -> None:
    """Write what is asked for: a CSV, a JSON, a picture.

    Raises:
        UserError: a picture of an unknown kind, before anything is written.
    """
    if picture is not None and picture.suffix.lower() not in PICTURES:
        raise UserError(f"--plot {picture}: the name must end with one of {', '.join(PICTURES)}")
    if table is not None:
        write_text(table, stats_csv(manifest))
    if tree is not None:
        write_json(tree, stats_json(manifest))
    if picture is not None:
        from mmbert_composer.data.stats_plot import draw_stats  # matplotlib takes a second to import

        draw_stats(manifest, picture)


def stream_rows(manifest: Manifest) -> list[dict[str, Any]]:
    """A row a stream, the most tokens first; ``tokens`` are real tokens in training blocks."""
    ranked = sorted(manifest.streams.values(), key=lambda entry: (-entry.tokens, entry.name))
    return [_row(entry) for entry in ranked]


def stats_csv(manifest: Manifest) -> str:
    """The rows as CSV with a heading; ``mmbert plan`` reads source, language and tokens of it as ``data.counts``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(stream_rows(manifest))
    return text.getvalue()


def stats_json(manifest: Manifest) -> dict[str, Any]:
    """``{"block_size", "total": {...}, "sources": {name: {...}}, "streams": [row, ...]}``."""
    entries = list(manifest.streams.values())
    sources = {source: _sum(manifest, group) for source, group in by_source(manifest).items()}
    return {
        "block_size": manifest.block_size,
        "total": _sum(manifest, entries),
        "sources": sources,
        "streams": stream_rows(manifest),
    }


def _row(entry: StreamEntry) -> dict[str, Any]:
    source, _, language = entry.name.rpartition("/")
    own = {column: getattr(entry, column) for column in COLUMNS if hasattr(entry, column)}
    return {
        **own,
        "source": source,
        "language": language,
        "name": stream_display_name(entry.name),
        "fill": round(entry.fill, 6),
        "dropped": sum(entry.drops.values()),
    }


def _sum(manifest: Manifest, entries: list[StreamEntry]) -> dict[str, Any]:
    tokens, blocks = (sum(getattr(entry, key) for entry in entries) for key in ("tokens", "blocks"))
    drops: dict[str, int] = {}
    for entry in entries:
        for reason, count in entry.drops.items():
            drops[reason] = drops.get(reason, 0) + count
    return {
        "streams": sum(entry.blocks > 0 for entry in entries),
        "tokens": tokens,
        "blocks": blocks,
        "documents": sum(entry.documents for entry in entries),
        "fill": tokens / (blocks * manifest.block_size) if blocks else 0.0,
        "bytes": sum(entry.bytes for entry in entries),
        "heldout_documents": sum(entry.heldout_documents for entry in entries),
        "dropped": dict(sorted(drops.items())),
    }
