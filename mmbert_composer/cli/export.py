"""``mmbert export CKPT --out DIR``: a checkpoint as a Hugging Face folder, checked by its logits."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint inside a run folder, or a run folder (its newest checkpoint).")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; must not exist.")],
) -> None:
    """Write a checkpoint as a folder that transformers loads, and compare its logits with the training model's."""
    from mmbert_composer.export.export_run import export_run

    exported = export_run(checkpoint.parent, out, checkpoint) if checkpoint.is_file() else export_run(checkpoint, out)
    worst = max(exported.differences["padded"], exported.differences["alone"])
    typer.echo(f"{exported.path}: written; reloaded with transformers its logits differ by at most {worst:.2g}")
