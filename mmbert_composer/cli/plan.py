"""``mmbert plan YAML``: the whole run in numbers, before anything is trained."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.cli.show_plan import show_cost, show_plan
from mmbert_composer.config import load_yaml, parse_run_config
from mmbert_composer.errors import UserError
from mmbert_composer.planning import RunPlan, plan_run
from mmbert_composer.planning.gpu_memory import parse_gpu_memory
from mmbert_composer.planning.micro_batch_fit import check_fit
from mmbert_composer.planning.speed import Speed, measured_speed, published_speed

_COST = "What it costs"


def plan(
    yaml: Annotated[Path, typer.Argument(metavar="YAML", help="a run's settings, for example yamls/demo.yaml")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="set any key")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="write the numbers; - prints")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="draw the run: shares, masks, lengths, batches (.png, .svg, .pdf)"),
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="CKPT", help="count passes on from a checkpoint's cursors")
    ] = None,
    languages: Annotated[int, typer.Option(help="rows of the table of languages")] = 15,
    vocab_size: Annotated[
        int, typer.Option(help="tokens of the tokenizer, while there is no data that has one")
    ] = 256_000,
    gpus: Annotated[
        int | None,
        typer.Option(help="number of GPUs; one that does not divide the batch is refused", rich_help_panel=_COST),
    ] = None,
    gpu_memory: Annotated[
        str | None, typer.Option(help="of one GPU, as 24GB: does the micro-batch fit?", rich_help_panel=_COST)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="tokens a second of one GPU, for GPU hours", rich_help_panel=_COST)
    ] = None,
    rate_from: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="take the rate from an earlier run's folder", rich_help_panel=_COST),
    ] = None,
    rate_gpus: Annotated[int, typer.Option(help="how many GPUs that run was on", rich_help_panel=_COST)] = 1,
    gpu_hour_price: Annotated[
        float | None, typer.Option(help="price of a GPU's hour, for the table of costs", rich_help_panel=_COST)
    ] = None,
) -> None:
    """Tokens, steps, shares, passes and blocks by language and phase, memory, GPU hours; trains nothing.

    Counts come from data.root, or from data.counts (a CSV: source, language, tokens; or mmBERT's published counts);
    without either the totals are by source.
    """
    settings = load_yaml(yaml, overrides or [])
    if start is not None:
        settings |= {"load_path": str(start), "load_as": "continue"}
    notes = _without_start(settings)
    config = parse_run_config(settings)
    memory = None if gpu_memory is None else parse_gpu_memory(gpu_memory)
    if gpus is not None:
        if gpus < 1:
            raise UserError(f"--gpus {gpus} must be at least 1")
        micro_batch_size(config.curriculum, gpus, config.device_train_microbatch_size)
    speed = _speed(rate, rate_from, rate_gpus)
    cursors = None
    if config.load_path is not None and config.load_as == "continue":
        from mmbert_composer.builders.start_point import checkpoint_cursors

        cursors = checkpoint_cursors(Path(config.load_path))
    result = plan_run(config, cursors, vocab_size=vocab_size)
    if memory is not None and (problem := check_fit(config, result, memory, gpus or 1)):
        result.warnings.append(problem)
    if picture is not None:
        from mmbert_composer.planning.picture import draw_plan

        draw_plan(config, result, picture)
    if json_file is not None and str(json_file) == "-":
        print(json.dumps(result.to_json(), indent=2))
        return
    if json_file is not None:
        _write(json_file, json.dumps(result.to_json(), indent=2) + "\n")
    console = Console()
    for note in notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    show_plan(config, result, languages, console, gpus=gpus or 1)
    show_cost(config, speed or published_speed(result.model), gpu_hour_price, console)
    show_warnings(result, console)
    if picture is not None:
        console.print(f"picture: {picture}", highlight=False, soft_wrap=True)
    if config.data.root is not None and not notes:
        arguments = shlex.join([str(yaml), *(overrides or [])])
        console.print(f"next: composer train.py {arguments}", highlight=False, markup=False, soft_wrap=True)


def show_warnings(result: RunPlan, console: Console) -> None:
    """One line each, last, where they are seen."""
    for warning in result.warnings:
        console.print(f"warning: {warning}", highlight=False, soft_wrap=True)


def _without_start(settings: dict[str, Any]) -> list[str]:
    """Lets a recipe be planned whose ``load_path`` is still to be named; what that means."""
    if settings.get("load_path") or not settings.get("load_as"):
        return []
    how = settings.pop("load_as")
    passes = "; passes are counted from none: --from RUN counts on" if how == "continue" else ""
    return [f"load_as is {how} and load_path is not set: to train, set load_path=RUN{passes}"]


def _speed(rate: float | None, rate_from: Path | None, gpus: int) -> Speed | None:
    if rate is not None and rate_from is not None:
        raise UserError("give --rate or --rate-from, not both")
    if gpus < 1 or (rate is not None and not rate > 0):
        raise UserError(f"--rate {rate} and --rate-gpus {gpus} must be above 0")
    if rate_from is not None:
        return measured_speed(rate_from, gpus)
    return None if rate is None else Speed(rate, "given")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--json {path} cannot be written: {error.strerror}; name a file") from error
