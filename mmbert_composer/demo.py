"""The demo as functions: tokenizer, blocks, a three-phase run, merge, export, report."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.data.prepare import prepare
from mmbert_composer.data.train_on_inputs import train_on_inputs
from mmbert_composer.data.unigram_loss import unigram_losses
from mmbert_composer.errors import UserError
from mmbert_composer.recipes import recipes_folder
from mmbert_composer.report.read_run import read_run
from mmbert_composer.report.stream_rows import StreamRow, stream_rows
from mmbert_composer.train import train

TEXT = "cldr:"
VOCAB_SIZE = 8192
BLOCK_SIZE = 512
MARKS = {
    "tokenizer": ("tokenizer.json",),
    "data": ("manifest.json", ".prepare"),
    "run": ("plan.json",),
}
"""What is in a demo's folder, and what tells that it is ours."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo left: its folders and report, and whether it had been finished before."""

    data: Path
    run: Path
    report: Path
    was_finished: bool


def run_demo(out: Path, *, fresh: bool = False, workers: int = 2, overrides: Sequence[str] = ()) -> DemoResult:
    """Make what is not there yet under ``out``: ``tokenizer/``, ``data/``, ``run/``.

    Args:
        out: the demo's folder.
        fresh: throw what an earlier demo left in it away first.
        workers: processes that prepare text.
        overrides: of ``yamls/demo.yaml``.

    Raises:
        UserError: ``out`` holds something else than a demo.
    """
    inside = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in inside if not any((out / name / mark).exists() for mark in MARKS.get(name, ()))]
    if foreign:
        raise UserError(f"{out} holds something else than a demo ({', '.join(foreign[:3])}); nothing was written")
    if fresh:
        for name in inside:
            shutil.rmtree(out / name)
    was_finished = all((out / "run" / name).exists() for name in ("hf", "merged", "report.html"))
    if not (out / "tokenizer" / "tokenizer.json").exists():
        train_on_inputs([TEXT], VOCAB_SIZE, out / "tokenizer")
    prepare([TEXT], out / "tokenizer", out / "data", block_size=BLOCK_SIZE, workers=workers, show_progress=True)
    yaml = recipes_folder() / "yamls" / "demo.yaml"
    try:
        run = train(yaml, [f"data.root={out / 'data'}", f"save_folder={out / 'run'}", *overrides])
    except UserError as error:
        raise UserError(f"{error}. Or start the demo over: --fresh") from error
    return DemoResult(out / "data", run, run / "report.html", was_finished)


def summary_table(result: DemoResult) -> Table:
    """What each wave of languages came to: held-out loss before it joined and at the end, beside a unigram model's."""
    run = read_run(result.run)
    rows = stream_rows(run)
    blocks_per_stream = int(run.config["data"]["held_out_blocks"])
    table = Table(title=f"held-out loss, nats a masked token ({len(rows)} streams)", title_justify="left")
    table.add_column("languages that joined in")
    for column in ("streams", "tokens", "before", "at the end", "unigram model"):
        table.add_column(column, justify="right")
    for number, wave in enumerate(run.waves):
        streams = [row for row in rows if row.wave == number]
        unigram = unigram_losses(result.data, [row.name for row in streams], blocks_per_stream=blocks_per_stream)
        table.add_row(
            wave.name,
            str(len(streams)),
            format_tokens(float(np.nansum([row.tokens for row in streams]))),
            _mean(streams, "before"),
            _mean(streams, "after"),
            f"{np.average([loss for loss, _ in unigram.values()], weights=[n for _, n in unigram.values()]):.2f}",
        )
    return table


def _mean(streams: list[StreamRow], which: str) -> str:
    """Token-weighted mean over the streams that were measured."""
    pairs = [(getattr(row, which), row.masked) for row in streams if np.isfinite(getattr(row, which))]
    return f"{np.average([loss for loss, _ in pairs], weights=[count for _, count in pairs]):.2f}" if pairs else "-"
