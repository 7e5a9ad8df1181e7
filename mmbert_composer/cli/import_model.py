"""``mmbert import HF_DIR --out DIR``: a transformers folder as a starting point of training."""

from pathlib import Path
from typing import Annotated

import typer


def import_model(
    source: Annotated[
        Path, typer.Argument(metavar="HF_DIR", help="Folder of a ModernBERT or mmBERT that transformers loads.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; must not exist.")],
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="Folder of a grown form of its tokenizer (`mmbert tokenizer grow`): the embedding grows."),
    ] = None,
    new_head: Annotated[
        bool, typer.Option("--new-head", help="Where there is no head for masked words, draw a new one.")
    ] = False,
) -> None:
    """Make a model's folder a starting point: for load_as: weights, for merges and for exports.

    The weights stay as they are to the last bit. Beside them come model.yaml, to be extended by a run's YAML, and the
    tokenizer, for `mmbert prepare run --tokenizer`.
    """
    from mmbert_composer.importing.check_import import check_import

    request = check_import(source, out, tokenizer)

    # Here and not above: torch and transformers take seconds, a refusal none.
    from mmbert_composer.importing.import_model import import_checked

    imported = import_checked(request, out, new_head=new_head)
    for note in imported.notes:
        typer.echo(f"note: {note}")
    if imported.rows is not None:
        typer.echo(imported.rows.describe())
    differences = imported.exported.differences
    worst = max(differences["padded"], differences["alone"])
    typer.echo(f"{out}: imported; the packed forward and transformers differ by at most {worst:.2g} in a logit")
    typer.echo(
        f"next: mmbert prepare run --input SPEC --tokenizer {out} --out DATA; then a YAML with\n"
        f"  extends: [RECIPE.yaml, {out}/model.yaml], load_path: {out}, load_as: weights"
    )
