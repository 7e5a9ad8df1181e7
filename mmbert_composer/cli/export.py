"""``mmbert export CKPT --out DIR``: a checkpoint as a Hugging Face folder, checked by its logits."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint inside a run folder, a run folder (its newest checkpoint), or an imported model."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; must not exist.")],
    push: Annotated[
        str | None, typer.Option(metavar="USER/NAME", help="Upload the folder to this model on the Hugging Face hub.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="With --push: make a new model private.")] = False,
) -> None:
    """Write a checkpoint as a folder that transformers and sentence-transformers load.

    It is loaded again and its logits are compared with the training model's before it takes its name.
    """
    from mmbert_composer.errors import UserError
    from mmbert_composer.export.check_request import check_export_request

    check_export_request(checkpoint, out)
    if private and push is None:
        raise UserError("export: --private is for --push USER/NAME")
    if push is not None:
        from mmbert_composer.export.push import check_push

        check_push(push)

    # Here and not above: torch and transformers take seconds, a refusal none.
    from mmbert_composer.export.export_run import export_run

    exported = export_run(checkpoint.parent, out, checkpoint) if checkpoint.is_file() else export_run(checkpoint, out)
    worst = max(exported.differences["padded"], exported.differences["alone"])
    typer.echo(f"{exported.path}: written; reloaded with transformers its logits differ by at most {worst:.2g}")
    if push is not None:
        from mmbert_composer.export.push import push_folder

        typer.echo(f"uploaded to {push_folder(out, push, private=private)}")
