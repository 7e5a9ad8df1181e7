"""Where 60 languages become 1,834: the loader's pause and memory; and data of 366M blocks in 179k shards, opened.

``python -m benchmarks.segment_edge [--quick] [--rounds 3] [--folder DIR]``

Languages and their sizes are mmBERT's published counts. The edge: segments of 207,360 blocks (of 64 tokens, so that
they fit on any disk), served by our loader with no workers and with two; ``peer`` is the pause when the next segment is
drawn only where it is asked for. The index: 3T tokens in blocks of 8,192, whose shards are listed and not there. What
is timed is AnnealedDataset's constructor: manifest, plan of 1,766 segments, indexes, Streaming.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

ROUNDS = 3


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure and print; returns what the JSON line says."""
    from benchmarks.loading.real_counts import COUNTS, made_up_counts, real_counts
    from benchmarks.measure import describe_machine, print_report

    options = _options().parse_args(argv)
    machine = describe_machine()
    counts = made_up_counts(40) if options.quick else real_counts()
    notes = ["--quick: few languages, little data; the numbers mean nothing"] if options.quick else []
    if counts is None:
        return print_report("segment_edge", machine, [], [f"left out: the counts of languages are not at {COUNTS}"])
    with tempfile.TemporaryDirectory(prefix="edge-", dir=options.folder) as name:
        folder = Path(name)
        results = [*_index(folder / "index", counts, options), *_edge(folder / "edge", counts, options)]
    return print_report("segment_edge", machine, results, notes)


def _edge(root: Path, counts: dict[str, int], options: argparse.Namespace) -> list[Any]:
    from benchmarks.loading.edge import edge_curriculum, walk
    from benchmarks.loading.make_data import make_data
    from benchmarks.loading.real_counts import scale
    from benchmarks.measure import Result

    total, segment_blocks, few = (2_000, 512, 10) if options.quick else (250_000, 207_360, 60)
    manifest = make_data(root, {f"edge/{name}": n for name, n in scale(counts, total).items()}, 64)
    curriculum = edge_curriculum(64, segment_blocks, few)
    found: dict[tuple[int, bool], list[Any]] = {}
    for _ in range(options.rounds):
        for workers in (0, 2):
            for ahead in (True, False):
                edge = walk(manifest, curriculum, workers=workers, ahead=ahead)
                found.setdefault((workers, ahead), []).append(edge)
    stall = {key: statistics.median(edge.stall for edge in edges) for key, edges in found.items()}
    memory = {key: statistics.median(edge.memory for edge in edges) / 1e6 for key, edges in found.items()}
    slower = max((0, 2), key=lambda workers: stall[workers, True])
    what = f"{few} to {len(counts):,} languages, {segment_blocks:,} blocks a segment"
    return [
        Result(
            "edge-stall-seconds",
            stall[slower, True],
            "s",
            stall[slower, True],
            stall[slower, False],
            f"{what}; no workers {stall[0, True]:.3f} s, two {stall[2, True]:.3f} s; "
            f"peer: drawn at the edge, {stall[0, False]:.3f} s and {stall[2, False]:.3f} s",
        ),
        Result(
            "edge-memory-mb",
            max(memory[0, True], memory[2, True]),
            "MB",
            note=f"growth of all processes; no workers {memory[0, True]:.0f}, two {memory[2, True]:.0f}",
        ),
    ]


def _index(root: Path, counts: dict[str, int], options: argparse.Namespace) -> list[Any]:
    from benchmarks.loading.index import index_curriculum, open_index, write_indexes
    from benchmarks.loading.real_counts import scale
    from benchmarks.measure import Result, peak_memory, resident_memory

    total, segment_blocks = (100_000, 4_096) if options.quick else (366_000_000, 207_360)
    blocks = {f"index/{name}": n for name, n in scale(counts, total).items()}
    shards = write_indexes(root, blocks)
    curriculum = index_curriculum(sum(blocks.values()), segment_blocks)
    opened: list[Any] = []
    before = resident_memory() or 0
    peak = peak_memory(lambda: opened.append(open_index(root, curriculum)))
    what = f"{sum(blocks.values()):,} blocks in {shards:,} shards of {len(blocks):,} streams"
    rows = [
        Result(
            "index-366m-seconds",
            opened[0].constructor,
            "s",
            note=f"{what}, {curriculum.num_segments:,} segments; then {opened[0].first_segment:.2f} s for the first "
            f"segment's blocks, {opened[0].chain:.2f} s for the chain of hashes",
        )
    ]
    if peak is not None:
        note = f"peak of the whole process; {before / 1e9:.2f} GB of it were there before (libraries)"
        rows.append(Result("index-366m-gb", peak / 1e9, "GB", note=note))
    return rows


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.segment_edge", description="segment edges and large indexes")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in seconds: does everything run?")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"walks over the edge in each way ({ROUNDS})")
    parser.add_argument("--folder", help="where to write 350 MB for a while (the system's temporary folder)")
    return parser


if __name__ == "__main__":
    from mmbert_composer.runtime.cpu_threads import bound_spinning
    from mmbert_composer.runtime.kept_memory import give_back_freed_memory

    bound_spinning()
    give_back_freed_memory()  # as training on a GPU does
    main()
