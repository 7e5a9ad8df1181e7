"""``mmbert merge``: merge models by a YAML file or by options."""

from pathlib import Path
from typing import Annotated

import typer


def merge(
    models: Annotated[
        list[Path],
        typer.Argument(
            help="Hugging Face folders, checkpoints inside run folders; one run folder (with --last); or one YAML file "
            "with the keys method, models or run, and the options by their names here (weights, held_out)."
        ),
    ],
    method: Annotated[
        str | None, typer.Option(help="linear, ema, ties, task_arithmetic or slerp.  [default: linear]")
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="ties, task_arithmetic: the model that the others were trained from.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; RUN/merged for a run folder.")] = None,
    last: Annotated[int | None, typer.Option(help="How many of a run's newest checkpoints.  [default: 3]")] = None,
    density: Annotated[
        float | None, typer.Option(help="ties: share of each difference that is kept.  [default: 0.2]")
    ] = None,
    trim: Annotated[
        str | None, typer.Option(help="ties: density of each tensor, or of the whole model.  [default: tensor]")
    ] = None,
    lam: Annotated[
        float | None,
        typer.Option("--lambda", help="ties, task_arithmetic: scale of the merged difference.  [default: 1]"),
    ] = None,
    decay: Annotated[
        float | None, typer.Option(help="ema: weight of a checkpoint relative to the next newer.  [default: 0.8]")
    ] = None,
    t: Annotated[float | None, typer.Option(help="slerp: 0 is the first model, 1 the second.  [default: 0.5]")] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(help="linear, ties, task_arithmetic: one for each model, in order; of linear they sum to 1."),
    ] = None,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="linear, task_arithmetic: scale the weights to sum to 1.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what was done to each group of parameters: a table and a plot.")
    ] = False,
    held_out: Annotated[
        Path | None, typer.Option(help="Prepared data: measure models and merge on its held-out text.")
    ] = None,
) -> None:
    """Merge models or a run's last checkpoints into one Hugging Face folder, checked by its logits."""
    from mmbert_composer.errors import UserError
    from mmbert_composer.merging.merge_request import MergeRequest, read_merge_yaml

    options = {
        "method": method,
        "base": base,
        "out": out,
        "last": last,
        "density": density,
        "trim": trim,
        "lambda": lam,
        "decay": decay,
        "t": t,
        "weights": weight or None,
        "normalize": normalize or None,
        "explain": explain or None,
        "held_out": held_out,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if len(models) == 1 and models[0].suffix in (".yaml", ".yml"):
        if given:
            raise UserError(f"merge: {models[0]} holds the whole merge; put {', '.join(given)} into it")
        request = read_merge_yaml(models[0])
    else:
        request = MergeRequest.of({"models": models, **given}, "merge")

    # What can be refused without these has been.
    from rich.console import Console

    from mmbert_composer.merging.explain_table import explain_table, read_explanation
    from mmbert_composer.merging.run_request import run_request

    result = run_request(request)
    if result.merged is None:
        typer.echo("the merge is there already")
    else:
        record, differences = result.merged.record, result.merged.exported.differences
        names = ", ".join(entry["name"] for entry in record["inputs"])
        typer.echo(f"{result.out}: {record['method']} merge of {names}")
        worst = max(differences["padded"], differences["alone"])
        typer.echo(f"reloaded with transformers its logits differ by at most {worst:.2g}")
    if request.explain:
        console = Console()
        width = console.width if console.is_terminal else 120
        Console(width=width).print(explain_table(read_explanation(result.out)))
        typer.echo(f"the same as {result.out}/explain.json and explain.png")
    if result.held_out:
        typer.echo("held-out loss, nats a masked token:")
        for name, loss in result.held_out.items():
            typer.echo(f"{loss:8.4f}  {name}")
