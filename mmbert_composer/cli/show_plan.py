"""The tables of ``mmbert plan``."""

from rich.console import Console
from rich.table import Table

from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.planning import RunPlan
from mmbert_composer.planning.cost import cost_rows
from mmbert_composer.planning.gpu_memory import CONTEXT, GB
from mmbert_composer.planning.kept_checkpoints import kept_checkpoints
from mmbert_composer.planning.micro_batch_fit import describe_memory
from mmbert_composer.planning.speed import Speed


def show_plan(config: RunConfig, result: RunPlan, languages: int, console: Console, *, gpus: int = 1) -> None:
    """Phases (length is max_seq_len), shares of sources, the largest streams of each phase, sizes."""
    if result.phases[0].languages is None:
        where = f"there is no data in {config.data.root}" if config.data.root else "no data.root is set"
        console.print(f"note: {where}: totals by source alone", highlight=False, soft_wrap=True)
    if result.uncounted:
        console.print(
            f"note: data.counts lists nothing of {', '.join(result.uncounted)}: totals alone for them, no passes",
            highlight=False,
            soft_wrap=True,
        )
    console.print(_phases(result))
    for phase in config.curriculum.phases:
        if phase.duration_tok != phase.requested_tok:
            console.print(
                f"rounded: phase {phase.name!r}: {phase.requested_tok:,} tokens became {phase.duration_tok:,}, "
                f"{phase.duration_tok / phase.requested_tok - 1:+.2%} ({phase.segments} whole segments of "
                f"data.segment_blocks={config.data.segment_blocks})",
                highlight=False,
                soft_wrap=True,
            )
    console.print(_shares(result))
    for phase in result.phases:
        streams = {name: row for source in phase.sources.values() for name, row in source.streams.items()}
        if streams and languages:
            console.print(_languages(phase.name, phase.tokens // config.data.block_size, streams, languages))
    for fact in _facts(config, result, gpus):
        console.print(fact, highlight=False, soft_wrap=True)


def show_cost(config: RunConfig, speed: Speed | None, hour_price: float | None, console: Console) -> None:
    """GPU hours, and a row for each number of GPUs that divides the batch; nothing where no rate is known."""
    if speed is None:
        console.print("GPU hours: give --rate, the tokens a second of one GPU, or --rate-from RUN", highlight=False)
        return
    rows = cost_rows(config.curriculum, config.device_train_microbatch_size, speed.tokens_per_second, hour_price)
    console.print(
        f"{_number(rows[0].gpu_hours)} GPU hours at {speed.tokens_per_second:,.0f} tokens/s a GPU ({speed.origin})",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(title="GPUs that divide every batch", title_justify="left", box=None)
    for name in ("GPUs", "micro-batch", "hours", "days", "GPU hours", *(["price"] if hour_price is not None else [])):
        table.add_column(name, justify="right")
    for row in rows:
        cells = [str(row.gpus), str(row.micro_batch), f"{row.hours:,.1f}", f"{row.hours / 24:,.1f}"]
        table.add_row(*cells, _number(row.gpu_hours), *([] if row.price is None else [_number(row.price)]))
    console.print(table)
    console.print("hours without evaluation and checkpoints, each GPU as fast as one alone", highlight=False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _facts(config: RunConfig, result: RunPlan, gpus: int) -> list[str]:
    facts = [
        f"{format_tokens(result.total_tokens)} tokens (slots) in {result.steps} steps of at most "
        f"{format_tokens(result.tokens_per_step)} tokens, {config.curriculum.num_segments} segments of "
        f"{config.data.segment_blocks} blocks of {config.data.block_size}"
    ]
    if result.parameters is None or result.checkpoint_bytes is None:
        return facts
    count = kept_checkpoints(config, result)
    facts.append(
        f"{format_tokens(result.parameters)} parameters with a vocabulary of {result.model['vocab_size']:,}; a "
        f"checkpoint takes {_disk(result.checkpoint_bytes)}; at most {count:,} lie on the disk at once: "
        f"{_disk(count * result.checkpoint_bytes)}"
    )
    blocks, memory = describe_memory(config, result, gpus)
    facts.append(
        f"about {memory.total / GB:.1f} GB on a GPU for micro-batches of {blocks} blocks (an estimate): weights, "
        f"gradients and optimizer {memory.states / GB:.1f}, activations {memory.activations / GB:.1f}, loss "
        f"{memory.head / GB:.1f}, the rest {CONTEXT / GB:.1f}"
    )
    return facts


def _disk(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size < GB else f"{size / GB:,.1f} GB"


def _phases(result: RunPlan) -> Table:
    table = Table(title="phases", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("phase", "tokens", "steps", "batch", "mask", "length", "languages"):
        table.add_column(name, justify="left" if name == "phase" else "right", no_wrap=True)
    for phase in result.phases:
        low, high = phase.batch_sizes[0], phase.batch_sizes[-1]
        first, last = phase.mask_ratio
        table.add_row(
            phase.name,
            format_tokens(phase.tokens),
            str(phase.steps),
            str(high) if low == high else f"{low} to {high}",
            f"{first:g}" if first == last else f"{first:g} to {last:g}",
            str(phase.max_seq_len),
            "?" if phase.languages is None else str(phase.languages),
        )
    return table


def _shares(result: RunPlan) -> Table:
    """Rows are sources: share and tokens in each phase, passes over its most repeated stream at the end."""
    table = Table("source", title="sources", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for phase in result.phases:
        table.add_column(phase.name, justify="right", no_wrap=True)
    table.add_column("passes", justify="right")
    for name in dict.fromkeys(name for phase in result.phases for name in phase.sources):
        rows = [phase.sources.get(name) for phase in result.phases]
        passes = [row.passes_max for row in rows if row is not None and row.passes_max is not None]
        cells = ["" if row is None else f"{row.share:.3f} {format_tokens(row.tokens):>7}" for row in rows]
        table.add_row(name, *cells, f"{max(passes):.2f}" if passes else "?")
    return table


def _languages(phase: str, total: int, streams: dict[str, tuple[int, float]], rows: int) -> Table:
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
