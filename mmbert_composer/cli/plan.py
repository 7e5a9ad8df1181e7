"""``mmbert plan YAML``: the whole run in numbers, before anything is trained."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mmbert_composer.config import RunConfig, load_yaml, parse_run_config
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.errors import UserError
from mmbert_composer.planning import RunPlan, plan_run


def plan(
    yaml: Annotated[Path, typer.Argument(metavar="YAML", help="a run's settings, for example yamls/demo.yaml")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="set any key")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="write the numbers; - prints")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="CKPT", help="count passes on from a checkpoint's cursors")
    ] = None,
    languages: Annotated[int, typer.Option(help="rows of the table of languages")] = 15,
    rate: Annotated[float | None, typer.Option(help="tokens a second of one GPU, for GPU hours")] = None,
) -> None:
    """Tokens, steps, shares, passes and blocks by language and phase; trains nothing.

    Counts come from data.root, or from data.counts (a CSV: source, language, tokens); without either the
    totals are by source.
    """
    settings = load_yaml(yaml, overrides or [])
    if start is not None:
        settings |= {"load_path": str(start), "load_as": "continue"}
    config = parse_run_config(settings)
    cursors = None
    if config.load_path is not None and config.load_as == "continue":
        from mmbert_composer.builders.start_point import checkpoint_cursors

        cursors = checkpoint_cursors(Path(config.load_path))
    result = plan_run(config, cursors)
    if json_file is not None:
        text = json.dumps(result.to_json(), indent=2)
        if str(json_file) == "-":
            print(text)
            return
        try:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"--json {json_file} cannot be written: {error.strerror}; name a file") from error
    show_plan(config, result, languages, rate, Console())


def show_plan(config: RunConfig, result: RunPlan, languages: int, rate: float | None, console: Console) -> None:
    """Print a plan's tables: phases (length is max_seq_len), then the largest streams of each."""
    if result.phases[0].languages is None:
        where = f"there is no data in {config.data.root}" if config.data.root else "no data.root is set"
        console.print(f"note: {where}: totals by source alone", highlight=False, soft_wrap=True)
    console.print(_phases(config, result))
    for line in config.curriculum.rounding():
        console.print(f"rounded: {line}", highlight=False)
    for phase in result.phases:
        streams = {name: row for source in phase.sources.values() for name, row in source.streams.items()}
        if streams and languages:
            console.print(_languages(phase.name, streams, languages))
    facts = [
        f"{format_tokens(result.total_tokens)} tokens (slots) in {result.steps} steps of at most "
        f"{format_tokens(result.tokens_per_step)} tokens, {config.curriculum.num_segments} segments of "
        f"{config.data.segment_blocks} blocks of {config.data.block_size}"
    ]
    if result.parameters is not None and result.checkpoint_bytes is not None:
        memory = result.parameters * 16 / 1e9
        facts.append(
            f"{format_tokens(result.parameters)} parameters; a checkpoint takes "
            f"{result.checkpoint_bytes / 1e9:.2f} GB; weights, gradients and optimizer {memory:.2f} GB a rank, "
            f"activations apart"
        )
    if rate:
        facts.append(f"{result.total_tokens / rate / 3600:,.0f} GPU hours at {rate:,.0f} tokens/s a GPU")
    for fact in facts:
        console.print(fact, highlight=False, soft_wrap=True)


def _phases(config: RunConfig, result: RunPlan) -> Table:
    table = Table(title="phases", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("phase", "tokens", "steps", "batch", "mask", "length", "streams", "source", "share", "passes"):
        table.add_column(name, justify="left" if name in ("phase", "source") else "right")
    for phase in result.phases:
        low, high = phase.batch_sizes[0], phase.batch_sizes[-1]
        first, last = phase.mask_ratio
        cells = [
            phase.name,
            format_tokens(phase.tokens),
            str(phase.steps),
            str(high) if low == high else f"{low} to {high}",
            f"{first:g}" if first == last else f"{first:g} to {last:g}",
            str(phase.max_seq_len),
            "?" if phase.languages is None else str(phase.languages),
        ]
        for name, source in phase.sources.items():
            passes = "?" if source.passes_max is None else f"{source.passes_max:.2f}"
            table.add_row(*cells, name, f"{source.share:.3f}", passes)
            cells = [""] * len(cells)
    return table


def _languages(phase: str, streams: dict[str, tuple[int, float]], rows: int) -> Table:
    total = sum(blocks for blocks, _ in streams.values())
    table = Table("stream", title=f"phase {phase}: largest of {len(streams)} streams", title_justify="left", box=None)
    for name in ("share", "blocks", "passes so far"):
        table.add_column(name, justify="right")
    order = sorted(streams.items(), key=lambda item: (-item[1][0], item[0]))
    shown = order if len(order) <= rows else [*order[: max(1, rows - 2)], *order[-2:]]
    for number, (name, (blocks, passes)) in enumerate(shown):
        if len(order) > rows and number == max(1, rows - 2):
            table.add_row("...", "", "", "")
        table.add_row(name, f"{blocks / total:.4f}", str(blocks), f"{passes:.2f}")
    return table
