"""``mmbert merge``: merge models by a YAML file or by options."""

from pathlib import Path
from typing import Annotated

import typer


def merge(
    models: Annotated[
        list[Path],
        typer.Argument(
            help="Hugging Face folders, checkpoints inside run folders; one run folder (with --last); or one YAML file "
            "with the keys method, models or run, base, out, last, density, lambda, decay, weights."
        ),
    ],
    method: Annotated[str | None, typer.Option(help="linear, ema or ties.  [default: linear]")] = None,
    base: Annotated[Path | None, typer.Option(help="ties: the model that the others were trained from.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; RUN/merged for a run folder.")] = None,
    last: Annotated[int | None, typer.Option(help="How many of a run's newest checkpoints.  [default: 3]")] = None,
    density: Annotated[
        float | None, typer.Option(help="ties: share of each difference that is kept.  [default: 0.2]")
    ] = None,
    lam: Annotated[
        float | None, typer.Option("--lambda", help="ties: scale of the merged difference.  [default: 1]")
    ] = None,
    decay: Annotated[
        float | None, typer.Option(help="ema: weight of a checkpoint relative to the next newer.  [default: 0.8]")
    ] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="linear: one for each model, in order; they sum to 1.")
    ] = None,
) -> None:
    """Merge models or a run's last checkpoints into one Hugging Face folder, checked by its logits."""
    from mmbert_composer.errors import UserError
    from mmbert_composer.merging.merge_request import MergeRequest, read_merge_yaml, run_request

    options = {
        "method": method,
        "base": base,
        "out": out,
        "last": last,
        "density": density,
        "lambda": lam,
        "decay": decay,
        "weights": weight or None,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if len(models) == 1 and models[0].suffix in (".yaml", ".yml"):
        if given:
            raise UserError(f"merge: {models[0]} holds the whole merge; put {', '.join(given)} into it")
        request = read_merge_yaml(models[0])
    else:
        request = MergeRequest.of({"models": models, **given}, "merge")
    merged = run_request(request)
    if merged is None:
        typer.echo("the merge is there already")
        return
    names = ", ".join(entry["name"] for entry in merged.record["inputs"])
    worst = max(merged.exported.differences["padded"], merged.exported.differences["alone"])
    typer.echo(f"{merged.exported.path}: {merged.record['method']} merge of {names}")
    typer.echo(f"reloaded with transformers its logits differ by at most {worst:.2g}")
