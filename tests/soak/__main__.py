"""``make soak``: a small run is killed, stopped and broken at every kind of place, and must come to the same end.

Two victims: one is started on 1, 2 and 4 ranks in turn and suffers everything; the other stays on 4 ranks, with
dropout, and must be equal to the last bit. Prints a line for each fault, a table, and as its last line one JSON object.
Exit code 1 if anything differs from the uninterrupted runs or a restart failed.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from mmbert_composer.config import load_yaml, parse_run_config
from mmbert_composer.curriculum import Curriculum
from tests.conftest import prepare_tiny
from tests.soak.compare import compare
from tests.soak.disk import small_disk
from tests.soak.leftovers import left_behind
from tests.soak.reference_runs import two_at_once, uninterrupted
from tests.soak.report import describe, print_report
from tests.soak.schedule import mixed_schedule, same_schedule
from tests.soak.soak_run import write_yaml
from tests.soak.victim import Row, Victim

TOLERANCE = 1e-5
"""How far losses may differ where the number of ranks does."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak ARGS=...", description="Kill a run again and again.")
    parser.add_argument("--seed", type=int, default=0, help="of every choice")
    parser.add_argument("--more-kills", type=int, default=0, help="in random steps, besides one of each kind")
    parser.add_argument("--out", help="a new folder for runs and logs, kept; else a temporary one")
    arguments = parser.parse_args()
    place = Path(arguments.out or tempfile.mkdtemp(prefix="mmbert-soak-")).resolve()
    place.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not at once: what was started is ended on the way out
    good = soak(place, arguments.seed, arguments.more_kills)
    if good and not arguments.out:
        shutil.rmtree(place)
    else:
        print(f"runs and logs: {place}", file=sys.stderr)
    return 0 if good else 1


def soak(place: Path, seed: int, more_kills: int) -> bool:
    """Everything; whether all is as it should be."""
    begin = time.monotonic()
    data = prepare_tiny(place)
    mixed_yaml = write_yaml(place / "mixed.yaml", data, dropout=0.0)
    same_yaml = write_yaml(place / "same.yaml", data, dropout=0.1)
    curriculum = parse_run_config(load_yaml(mixed_yaml, ())).curriculum
    ends = phase_ends(curriculum)
    say(f"{ends[-1]} steps, phases end at {ends}: uninterrupted, two runs at once, then a third")
    two_at_once((mixed_yaml, place / "on-1-rank", 1), (mixed_yaml, place / "on-2-ranks", 2))
    uninterrupted(same_yaml, place / "dropout-on-4-ranks", 4)
    comparisons = [compare("on 2 ranks, not killed", place / "on-1-rank", place / "on-2-ranks", allowed=TOLERANCE)]
    source = random.Random(seed)
    plans = [
        ("mixed", mixed_yaml, mixed_schedule(ends, more_kills, source), "on-1-rank", 4, TOLERANCE),
        ("same", same_yaml, same_schedule(ends, source), "dropout-on-4-ranks", 4, 0.0),
    ]
    rows: list[tuple[str, Row]] = []

    def note(name: str, row: Row) -> None:
        rows.append((name, row))
        say(describe(len(rows), name, row))

    with small_disk(place / "disk") as mounted:
        say("a disk of its own to fill" if mounted else "no disk of its own: the size of files is limited instead")
        for name, yaml, faults, reference, ranks, allowed in plans:
            victim = Victim(name, yaml, curriculum, place, disk=place / "disk", mounted=mounted, seed=seed)
            for row in victim.suffer(faults):
                note(name, row)
            note(name, victim.finish(ranks, "to its end"))
            note(name, victim.finish(ranks, "when finished"))
            how = "on 1, 2 and 4 ranks in turn, killed" if name == "mixed" else "on 4 ranks with dropout, killed"
            comparisons.append(compare(how, place / reference, victim.folder, allowed=allowed))
            shutil.copytree(victim.folder, place / name)
    return print_report(rows, comparisons, left_behind(data), time.monotonic() - begin)


def phase_ends(curriculum: Curriculum) -> list[int]:
    """The steps that end the phases."""
    ends = {phase.end_tok for phase in curriculum.phases}
    steps = enumerate(curriculum.steps(), start=1)
    return [n for n, (token, blocks) in steps if token + blocks * curriculum.block_size in ends]


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
