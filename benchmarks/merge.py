"""Merging three models of mmBERT-base's shapes beside mergekit: time, memory, and whether both write the same.

``python -m benchmarks.merge [--quick] [--method ties] [--rounds 3] [--folder DIR]``

Every contender is a whole process as a user starts it: ours with its check of the result by logits and its flush to the
disk, ours without the check (nobody can start that, but mergekit checks nothing either), mergekit by its defaults and
with its flags that could help. They take turns; the inputs (4.9 GB, random weights)
have been read once before, so that they come from the page cache for all alike.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, describe_machine, print_report
from benchmarks.merging.contenders import MERGEKIT_FLAGS, MERGEKIT_PYTHON, Run, mergekit, ours, ours_alone, run

ROUNDS = 3
METHODS = ("ties", "linear")
_NEEDED = 15e9
"""Bytes of disk: four inputs, six outputs."""


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run what this machine can and print it; returns what the JSON line says."""
    options = _options().parse_args(argv)
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="merge-", dir=options.folder) as name:
        folder = Path(name)
        if options.quick:
            results, notes = _quick(folder)
        elif shutil.disk_usage(folder).free < _NEEDED:
            results, notes = [], [f"left out: {_NEEDED / 1e9:.0f} GB of disk are needed in {folder.parent} (--folder)"]
        else:
            results, notes = _full(folder, options.method or METHODS, options.rounds)
    return print_report("merge", machine, results, notes)


def _full(folder: Path, methods: Sequence[str], rounds: int) -> tuple[list[Result], list[str]]:
    subprocess.run([sys.executable, "-m", "benchmarks.merging.inputs", str(folder)], check=True)
    for file in folder.glob("*/*.safetensors"):  # into the page cache
        with file.open("rb", buffering=0) as opened:
            while opened.read(1 << 24):
                pass
    commands = {}
    for method in methods:
        for contender, command in {"ours": ours, "alone": ours_alone}.items():
            out = folder / f"{contender}-{method}"
            commands[f"{contender}-{method}"] = (command(method, folder, out), out)
        for contender, flags in MERGEKIT_FLAGS.items() if MERGEKIT_PYTHON.exists() else ():
            out = folder / f"{contender}-{method}"
            commands[f"{contender}-{method}"] = (mergekit(method, folder, out, flags), out)
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, (command, out) in commands.items():
            found = run(command, out)
            runs[name].append(found)
            print(
                f"round {number + 1}: {name} {found.seconds:.1f} s, {found.processor:.1f} s of processor, "
                f"{found.peak / 1e9:.2f} GB",
                flush=True,
            )
    results, notes = [], []
    for method in methods:
        rows, lines = _rows(method, folder, runs)
        results += rows
        notes += lines
    return results, notes


def _rows(method: str, folder: Path, runs: dict[str, list[Run]]) -> tuple[list[Result], list[str]]:
    """Rows of a method: against whichever of mergekit's ways is better, in time and in memory each."""
    mine = runs[f"ours-{method}"]
    prefix = "merge" if method == "ties" else f"merge-{method}"
    seconds, peak = _median(mine, "seconds"), _median(mine, "peak")
    processor = _median(mine, "processor")
    peers = {name: runs[f"{name}-{method}"] for name in MERGEKIT_FLAGS if f"{name}-{method}" in runs}
    if not peers:
        note = f"alone: no mergekit at {MERGEKIT_PYTHON} (make mergekit, or set MERGEKIT_PYTHON)"
        return [
            Result(f"{prefix}-seconds", seconds, "s", note=f"{method}, {processor:.1f} s of processor"),
            Result(f"{prefix}-memory", peak / 1e9, "GB", note=f"{method}, largest resident memory of the process"),
        ], [note]
    quick = min(peers, key=lambda name: _median(peers[name], "seconds"))
    small = min(peers, key=lambda name: _median(peers[name], "peak"))
    ratio = statistics.median(t.seconds / o.seconds for o, t in zip(mine, peers[quick], strict=True))
    alone = runs[f"alone-{method}"]
    rows = [
        Result(
            f"{prefix}-speed-vs-mergekit",
            ratio,
            "x",
            seconds,
            _median(peers[quick], "seconds"),
            f"{method} of 3 x 307M, s a process (of processor: {processor:.0f} and "
            f"{_median(peers[quick], 'processor'):.0f}); {quick}",
        ),
        Result(
            f"{prefix}-memory-vs-mergekit",
            peak / _median(peers[small], "peak"),
            "ours/theirs",
            peak / 1e9,
            _median(peers[small], "peak") / 1e9,
            f"GB, largest resident memory of the process; {small}",
        ),
    ]
    rows.append(
        Result(
            f"{prefix}-alone-speed-vs-mergekit",
            statistics.median(t.seconds / o.seconds for o, t in zip(alone, peers[quick], strict=True)),
            "x",
            _median(alone, "seconds"),
            _median(peers[quick], "seconds"),
            f"ours without the check by logits, s a process; it took {_median(alone, 'peak') / 1e9:.2f} GB",
        )
    )
    found = _compare(folder, method)
    note = f"largest difference of any weight, over {found['elements']:,}"
    lines = []
    if found["tied"]:
        note += f" but {found['tied']:,} at a threshold"
        lines.append(
            f"{method}: {found['tied']:,} of {found['elements']:,} weights belong to differences that equal their "
            "tensor's threshold to the last bit; which of them stay is free (ours: the first; mergekit: as an unstable "
            f"sort puts them), and {found['tied_and_different']:,} of them differ"
        )
    lines += [
        f"{method}, {name} ({' '.join(MERGEKIT_FLAGS[name]) or 'its defaults'}): "
        f"{_median(peers[name], 'seconds'):.1f} s, {_median(peers[name], 'peak') / 1e9:.2f} GB"
        for name in peers
    ]
    return [*rows, Result(f"{prefix}-max-difference", found["difference"], "", note=note)], lines


def _compare(folder: Path, method: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.merging.compare", str(folder / f"ours-{method}")]
    command += [str(folder / f"mergekit-{method}"), *([str(folder)] if method == "ties" else [])]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _median(runs: list[Run], what: str) -> float:
    return statistics.median(getattr(run, what) for run in runs)


def _quick(folder: Path) -> tuple[list[Result], list[str]]:
    """A small merge in this process, without mergekit: does everything run?"""
    from benchmarks.merging.compare import compare
    from benchmarks.merging.inputs import SMALL_SHAPE, write_inputs
    from benchmarks.merging.places import BASE, MODELS
    from mmbert_composer.merging.merge_method import MergeMethod
    from mmbert_composer.merging.merge_models import merge_models

    write_inputs(folder, SMALL_SHAPE)
    models, results = [folder / name for name in MODELS], []
    for method in METHODS:
        base = folder / BASE if method == "ties" else None
        start = time.perf_counter()
        for out in ("once", "again"):
            merge_models(models, folder / f"{method}-{out}", MergeMethod(method), base=base)
        seconds = (time.perf_counter() - start) / 2
        results.append(Result(f"merge-{method}-seconds", seconds, "s", note="in process, logits compared"))
        inputs = folder if method == "ties" else None
        found = compare(folder / f"{method}-once", folder / f"{method}-again", inputs)
        results.append(Result(f"merge-{method}-repeats", found["difference"], "", note="difference of two merges"))
    return results, ["--quick: a tiny model, without mergekit; the numbers mean nothing"]


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.merge", description="merging beside mergekit")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in seconds, without mergekit")
    parser.add_argument("--method", action="append", choices=METHODS, help="one method; may be repeated (all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of every contender ({ROUNDS})")
    parser.add_argument("--folder", help="where to write 15 GB for a while (the system's temporary folder)")
    return parser


if __name__ == "__main__":
    main()
