"""The demo as functions: tokenizer, blocks, a three-phase run, merge, export, report."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.data.inputs.spec import parse_spec
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.prepare import prepare
from mmbert_composer.data.tokenizer import train_tokenizer
from mmbert_composer.data.unigram_loss import unigram_losses
from mmbert_composer.errors import UserError
from mmbert_composer.recipes import recipes_folder
from mmbert_composer.report.read_run import read_run
from mmbert_composer.train import train

TEXT = "cldr:"
VOCAB_SIZE = 8192
BLOCK_SIZE = 512


@dataclass(frozen=True)
class DemoResult:
    """What the demo left: the run's folder and report, and whether it had been finished before."""

    out: Path
    run: Path
    report: Path
    was_finished: bool


def run_demo(
    out: Path, *, fresh: bool = False, workers: int = 2, overrides: Sequence[str] = (), yaml: str = "demo.yaml"
) -> DemoResult:
    """Make what is not there yet under ``out``: ``tokenizer/``, ``data/``, ``run/``.

    Raises:
        UserError: ``out`` holds something else than a demo.
    """
    inside = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    foreign = sorted(set(inside) - {"tokenizer", "data", "run"})
    if foreign:
        raise UserError(f"{out} holds something else than a demo ({', '.join(foreign[:3])}); nothing was written")
    if fresh:
        for name in inside:
            shutil.rmtree(out / name)
    was_finished = (out / "run" / "report.html").exists()
    if not (out / "tokenizer" / "tokenizer.json").exists():
        train_tokenizer(input_texts([TEXT]), VOCAB_SIZE, out / "tokenizer")
    prepare([TEXT], out / "tokenizer", out / "data", block_size=BLOCK_SIZE, workers=workers, show_progress=True)
    run = train(
        recipes_folder() / "yamls" / yaml,
        [f"data.root={out / 'data'}", f"save_folder={out / 'run'}", *overrides],
    )
    return DemoResult(out, run, run / "report.html", was_finished)
