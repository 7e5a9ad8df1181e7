"""``mmbert demo``: the whole story on text found on the machine."""

import time
from pathlib import Path
from typing import Annotated

import typer

QUICK = (
    *(f"curriculum.phases.{phase}.duration=8_192tok" for phase in range(3)),
    "curriculum.phases.0.lr.over=4_096tok",
    "data.segment_blocks=16",
    "eval_interval=null",
    "save_interval=2ba",
)
"""Overrides of ``--quick``: three phases of one segment of 16 blocks, to see that everything runs."""


def demo(
    out: Annotated[Path, typer.Option(help="folder for tokenizer, data and run")] = Path("runs/demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="throw an earlier demo in --out away and start over")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="a minute instead of several: to see that it runs")] = False,
    workers: Annotated[int, typer.Option(help="processes that prepare text")] = 2,
) -> None:
    """Tokenizer, blocks, three phases, merge, export and report, on words of some 220 languages.

    The text is the Unicode locale data that the Babel package carries; nothing is downloaded. A demo that
    was stopped goes on; a finished one makes its report again.
    """
    import logging

    from rich.console import Console

    from mmbert_composer.demo import run_demo, summary_table

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("mmbert_composer").setLevel(logging.INFO)
    started = time.monotonic()
    result = run_demo(out, fresh=fresh, workers=workers, overrides=QUICK if quick else ())
    console = Console()
    if result.was_finished:
        console.print(
            f"the demo in {out} was finished already: its report was made again (--fresh starts over)", soft_wrap=True
        )
    console.print(summary_table(result))
    console.print(f"Model: {result.run / 'merged'} (loads with transformers). Next: your own text, see README.md")
    console.print(f"{(time.monotonic() - started) / 60:.1f} minutes. Report: {result.report}", soft_wrap=True)
