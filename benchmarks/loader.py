"""The train loader beside Streaming alone and beside transformers' masking collator, in tokens a CPU-second.

``python -m benchmarks.loader [--quick] [--rounds 5] [--micro-batch 6] [--workers 2] [--folder DIR]``

Ours is everything from the shards to the micro-batch that the model takes: reading, cuts (max_seq_len 1,024), masks
(0.3), padding as sequences of its own. Streaming reads the same shards in an order of its own and gives samples, no
more. The collator pads and masks rows that lie in memory. Tokens are real tokens; CPU-seconds are of all threads and
processes, which other work on the machine changes least. Data: 4 streams of 2,016 blocks of 8,192, one shard each, that
are in the page cache after the first round.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

ROUNDS = 5


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure and print; returns what the JSON line says."""
    from benchmarks.loading.contenders import bare_streaming, collator, our_loader, read_segment
    from benchmarks.loading.make_data import make_data
    from benchmarks.measure import Result, describe_machine, print_report, time_interleaved
    from mmbert_composer.runtime import private_shared_memory

    private_shared_memory.install()  # several datasets on the same folders
    options = _options().parse_args(argv)
    machine = describe_machine()
    block_size, blocks, max_seq_len, rows = (256, 48, 64, 8) if options.quick else (8192, 2016, 1024, 48)
    with tempfile.TemporaryDirectory(prefix="loader-", dir=options.folder) as name:
        manifest = make_data(Path(name) / "data", {f"random/lang{n}": blocks for n in range(4)}, block_size)
        shape = {"micro_batch": options.micro_batch, "max_seq_len": max_seq_len}
        loader = our_loader(manifest, workers=0, **shape)
        peers = {
            "streaming": bare_streaming(manifest, options.micro_batch),
            "collator": collator(manifest, loader, rows=rows, batches=4 if options.quick else 20),
        }
        timings = time_interleaved({"ours": lambda number: read_segment(loader), **peers}, options.rounds)
        cpu = {key: timing.cpu_seconds for key, timing in timings.items()}
        rate = {key: 1e-6 / statistics.median(seconds) for key, seconds in cpu.items()}
        wall = {key: 1e-6 / timing.median for key, timing in timings.items()}
        note = f"no workers, micro-batches of {options.micro_batch} x {block_size}; by the clock {wall['ours']:.1f}M"
        results = [Result("loader-tokens-per-cpu-second", rate["ours"] * 1e6, "tok/s", note=note)]
        what = {
            "streaming": "bare StreamingDataset, shuffled, nothing cut or masked",
            "collator": f"DataCollatorForLanguageModeling, {rows} rows padded to their longest",
        }
        for peer, words in what.items():
            ratio = statistics.median(t / o for o, t in zip(cpu["ours"], cpu[peer], strict=True))
            note = f"M tok/CPU-s; {words}; by the clock {wall['ours']:.1f}M and {wall[peer]:.1f}M"
            results.append(Result(f"loader-vs-{peer}", ratio, "x", rate["ours"], rate[peer], note))
        results += _more(manifest, options, shape)
    notes = ["--quick: tiny blocks; the numbers mean nothing"] if options.quick else []
    return print_report("loader", machine, results, notes)


def _more(manifest: Any, options: argparse.Namespace, shape: dict[str, int]) -> list[Any]:
    """Rows beside the contract's: with workers, and what checking a shard costs."""
    from benchmarks.loading.contenders import folder_seconds, with_workers
    from benchmarks.measure import Result

    results: list[Any] = []
    if options.workers:
        rates = [with_workers(manifest, workers=options.workers, segments=2, **shape) for _ in range(options.rounds)]
        note = f"{options.workers} workers, their start and end and what passes between processes included"
        results.append(Result("loader-workers-tokens-per-cpu-second", statistics.median(rates), "tok/s", note=note))
    checked = [folder_seconds(manifest.root) for _ in range(options.rounds)]
    speed = statistics.median(size / seconds for seconds, size in checked) / 1e9
    note = "size and xxh64 of shards in the page cache: once a shard, node and run"
    return [*results, Result("loader-check-gb-per-cpu-second", speed, "GB/s", note=note)]


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.loader", description="the train loader, in tokens a CPU-second")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in seconds: does everything run?")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interleaved rounds of measuring ({ROUNDS})")
    parser.add_argument("--micro-batch", type=int, default=6, help="blocks (6)")
    parser.add_argument("--workers", type=int, default=2, help="of a row of its own; 0 leaves it out (2)")
    parser.add_argument("--folder", help="where to write 270 MB for a while (the system's temporary folder)")
    return parser


if __name__ == "__main__":
    # As in training, for the peers too.
    from mmbert_composer.runtime.cpu_threads import bound_spinning
    from mmbert_composer.runtime.kept_memory import give_back_freed_memory

    bound_spinning()
    give_back_freed_memory()  # as training on a GPU does
    main()
