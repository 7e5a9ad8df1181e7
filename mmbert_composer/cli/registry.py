"""``mmbert registry``: what a YAML may name."""

from rich.console import Console
from rich.table import Table

from mmbert_composer.registry import KINDS, entries


def registry() -> None:
    """List callbacks, loggers, algorithms and schedulers by the name that a YAML uses."""
    console = Console()
    for kind in KINDS:
        table = Table("name", "what it does", "class", title=kind, title_justify="left", box=None)
        for entry in entries(kind).values():
            table.add_row(entry.name, entry.description, entry.target, style=None)
        console.print(table)
        console.print()
