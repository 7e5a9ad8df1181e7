"""Train, merge and measure every arm for every seed; what was stopped goes on, what is measured is not done again.

    python -m experiments.annealing.run --data ../shared/data --out runs/annealing
    python -m experiments.annealing.report

``--data`` is the folder with bible-nt.jsonl.gz and udhr.jsonl.gz. ``--jobs`` arms are trained at once, on ``--threads``
threads each: a model of this size gains nothing from a second thread. Two hours for three seeds on two cores.
"""

import argparse
import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from experiments.annealing.arms import ARMS, Arm, arm
from experiments.annealing.measure import measure
from experiments.annealing.texts import make_texts
from experiments.annealing.train_arm import train_arm
from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.prepare import prepare
from mmbert_composer.data.train_on_inputs import train_on_inputs
from mmbert_composer.errors import UserError

RESULTS = Path(__file__).parent / "results"
VOCAB_SIZE = 8192
BLOCK_SIZE = 512
log = logging.getLogger("experiments.annealing")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; 0, or 1 with a message for bad input."""
    parser = argparse.ArgumentParser(
        prog="experiments.annealing.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the two text files")
    parser.add_argument("--out", type=Path, default=Path("runs/annealing"), help="data, runs and logs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a JSON for each arm and seed that is measured")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--arms", nargs="+", choices=[arm.name for arm in ARMS], help="default: all")
    parser.add_argument("--jobs", type=int, default=2, help="arms trained at once")
    parser.add_argument("--threads", type=int, default=1, help="of torch, for each job")
    parser.add_argument("overrides", nargs="*", default=[], help="key=value for every training YAML, to try it out")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    try:
        _run(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: argparse.Namespace) -> None:
    out: Path = arguments.out
    texts = make_texts(arguments.data, out / "text")
    spec = f"jsonl:{texts.train}"
    if not (out / "tokenizer" / "tokenizer.json").is_file():
        train_on_inputs([spec], VOCAB_SIZE, out / "tokenizer")
    prepare([spec], out / "tokenizer", out / "data", block_size=BLOCK_SIZE, workers=arguments.jobs)

    def do(arm: Arm, seed: int) -> None:
        folders = {row.name: out / f"seed{seed}" / row.name for row in ARMS}
        train_arm(arm, seed, out / "data", folders, threads=arguments.threads, overrides=tuple(arguments.overrides))
        if arm.measured:
            figures = _measured(folders[arm.name], out / "data", texts.verses, bool(arm.merged))
            record = {"format": 1, "arm": arm.name, "seed": seed, "overrides": arguments.overrides, **figures}
            write_json(result_file(arguments.results, arm, seed), record)
        log.info("seed %d, %s: done", seed, arm.name)

    wanted = set(arguments.arms or [arm.name for arm in ARMS])
    schedule(do, arguments.seeds, wanted, arguments.results, jobs=arguments.jobs)


def schedule(
    do: Callable[[Arm, int], None], seeds: Sequence[int], wanted: set[str], results: Path, *, jobs: int
) -> None:
    """Call ``do`` for every arm that is wanted and not measured, and for what those start from; seed after seed.

    An arm waits for what it starts from. After a failure nothing new begins; the first error is raised.
    """
    done: dict[tuple[str, int], Future[None]] = {}
    failed = threading.Event()

    def after(arm: Arm, seed: int, before: Sequence[Future[None]]) -> None:
        wait(before)
        if failed.is_set():
            return
        try:
            do(arm, seed)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(jobs) as pool:
        for seed in seeds:
            needed = _needed({name for name in wanted if not _is_done(name, seed, results)})
            # In the table's order an arm's start always comes before it, so a full pool cannot wait for itself.
            for arm in (row for row in ARMS if row.name in needed):
                before = [done[name, seed] for name in (arm.start, *arm.merged) if name and (name, seed) in done]
                done[arm.name, seed] = pool.submit(after, arm, seed, before)
    for future in done.values():
        future.result()


def result_file(results: Path, arm: Arm, seed: int) -> Path:
    """Where the figures of an arm and seed are kept."""
    return results / f"{arm.name}-seed{seed}.json"


def _is_done(name: str, seed: int, results: Path) -> bool:
    row = arm(name)
    return row.measured and result_file(results, row, seed).is_file()


def _needed(wanted: set[str]) -> set[str]:
    """What is wanted and what that starts from; the stem is not wanted by itself."""
    needed = wanted & {row.name for row in ARMS if row.measured}
    for row in reversed(ARMS):
        if row.name in needed:
            needed |= {row.start, *row.merged} - {None}
    return needed


def _measured(folder: Path, data: Path, verses: Path, is_merge: bool) -> Mapping[str, Any]:
    return measure(folder if is_merge else folder / "hf", data, verses)


def read_results(results: Path = RESULTS) -> list[dict[str, Any]]:
    """Every result there is, by arm and seed."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*-seed*.json"))]


if __name__ == "__main__":
    sys.exit(main())
