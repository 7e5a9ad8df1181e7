"""``mmbert eval contamination``: which evaluation texts a model was trained on."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table


def contamination(
    trained_on: Annotated[
        Path, typer.Argument(metavar="DATA", help="What `mmbert prepare` wrote and the model was trained on.")
    ],
    data: Annotated[Path, typer.Option(help="The folder of evaluation data, as for `mmbert eval run`.")],
    json: Annotated[Path | None, typer.Option(help="Also write what was found as JSON.")] = None,
) -> None:
    """Look for evaluation texts among the training documents, by the hash of the whole text.

    Every string of every record in the folder counts as a text. What is a part of a training document, or differs
    from it by a letter, is not seen.
    """
    from mmbert_composer.data.atomic_write import write_json
    from mmbert_composer.evaluation.contamination import BLIND_TO, contamination_json, find_contamination
    from mmbert_composer.evaluation.training_texts import TrainingTexts

    found, unread = find_contamination(TrainingTexts(trained_on), data)
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("file", no_wrap=True)
    for name in ("texts", "trained on", "held out"):
        table.add_column(name, justify="right")
    table.add_column("in")
    for file in found:
        streams = ", ".join(f"{name} {count:,}" for name, count in list(file.streams.items())[:4])
        table.add_row(file.file, f"{file.texts:,}", f"{file.trained:,}", f"{file.held_out:,}", streams)
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(table)
    for file in found:
        for example in file.examples:
            console.print(f"{file.file}: {example!r}", soft_wrap=True, highlight=False, markup=False)
    if unread:
        console.print(f"not read: {', '.join(unread)}", soft_wrap=True, highlight=False, markup=False)
    console.print(BLIND_TO, soft_wrap=True)
    if json is not None:
        write_json(json, contamination_json(trained_on, found, unread))
