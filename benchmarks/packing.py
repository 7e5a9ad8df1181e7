"""Packing documents into blocks: how full they are, how many documents are cut, and how fast.

``python -m benchmarks.packing [--quick]``

Documents whose lengths are log-normal with mean 700 tokens, as those of web text are about, in pools of 50 to 500,000.
A stream is packed as ``prepare`` does it, pool after pool, each passing its emptiest blocks on to the next; beside it
every pool alone, as the end of a stream is, with the best fill that its tokens allow: a last block is seldom full.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Result, describe_machine, print_report
from mmbert_composer.data.packing import pack, pack_pools, split_lengths

BLOCK_SIZES = (8192, 1024)
MEAN = 700
SIGMAS = (1.0, 1.4)
POOLS = (50, 500, 5_000, 50_000, 500_000)
QUICK_POOLS = (50, 5_000)
DOCUMENTS = 100_000
"""Of small pools so many are packed that they hold about this number together."""


@dataclass(frozen=True)
class Packed:
    """What packing some documents came to."""

    tokens: int
    """BOS and EOS of every sequence included."""
    blocks: int
    seconds: float
    """Of this process's CPU."""

    def fill(self, block_size: int) -> float:
        """Tokens per slot."""
        return self.tokens / (self.blocks * block_size)

    def best_fill(self, block_size: int) -> float:
        """The most that whole blocks allow."""
        return self.tokens / (-(-self.tokens // block_size) * block_size)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Pack, print, and return what the JSON line says."""
    parser = argparse.ArgumentParser("benchmarks.packing", description="best-fit-decreasing packing")
    parser.add_argument("--quick", action="store_true", help="small pools, in seconds")
    options = parser.parse_args(argv)
    machine = describe_machine()
    pools = QUICK_POOLS if options.quick else POOLS
    results: list[Result] = []
    for block_size in BLOCK_SIZES:
        for sigma in SIGMAS[:1] if options.quick else SIGMAS:
            # The rows that targets are set for have short names.
            suffix = "" if (block_size, sigma) == (8192, 1.0) else f"-{block_size}-sigma-{sigma}"
            results += _rows(block_size, sigma, pools, suffix, 5_000 if options.quick else DOCUMENTS)
    notes = ["concatenating and cutting every block instead would cut each document once in 8192 / 700 = 11.7"]
    return print_report("packing", machine, results, notes)


def pack_alone(lengths: NDArray[np.int64], block_size: int) -> Packed:
    """Pack documents of ``lengths`` tokens, BOS and EOS not counted, as one pool."""
    start = time.process_time()
    sequences = _sequence_lengths(lengths, block_size)
    blocks = pack(sequences, block_size)
    return Packed(sum(sequences), len(blocks), time.process_time() - start)


def pack_stream(lengths: NDArray[np.int64], block_size: int, pool: int) -> Packed:
    """Pack them in pools of ``pool`` documents."""
    # Arrays of the right lengths without content; a pool ends when its tokens are there.
    content = np.zeros(block_size, np.uint32)
    documents = [
        [content[:length] for length in _sequence_lengths(lengths[first : first + pool], block_size)]
        for first in range(0, len(lengths), pool)
    ]
    tokens = sum(len(sequence) for sequences in documents for sequence in sequences)
    start = time.process_time()
    blocks = sum(1 for _ in pack_pools(documents, block_size, tokens * pool // len(lengths) * 9 // 10))
    return Packed(tokens, blocks, time.process_time() - start)


def _sequence_lengths(lengths: NDArray[np.int64], block_size: int) -> list[int]:
    return [piece + 2 for length in lengths.tolist() for piece in split_lengths(length, block_size - 2)]


def draw_lengths(count: int, sigma: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Log-normal lengths of mean 700, at least 1."""
    return np.maximum(1, rng.lognormal(np.log(MEAN) - sigma**2 / 2, sigma, count)).astype(np.int64)


def _rows(block_size: int, sigma: float, pools: tuple[int, ...], suffix: str, documents: int) -> list[Result]:
    rows: list[Result] = []
    cut, drawn = 0, 0
    for pool in pools:
        rng = np.random.default_rng(pool)
        lengths = [draw_lengths(pool, sigma, rng) for _ in range(max(1, documents // pool))]
        stream = pack_stream(np.concatenate(lengths), block_size, pool)
        alone = [pack_alone(one, block_size) for one in lengths]
        best = statistics.mean(one.best_fill(block_size) for one in alone)
        note = (
            f"{len(alone)} pools of one stream; each alone {statistics.mean(one.fill(block_size) for one in alone):.2%}"
            f" (at best {best:.2%}), the worst {min(one.fill(block_size) for one in alone):.2%}"
        )
        rate = sum(one.tokens for one in alone) / max(1e-9, sum(one.seconds for one in alone))
        rows.append(Result(f"packing-fill-{pool}{suffix}", 100 * stream.fill(block_size), "%", note=note))
        rows.append(Result(f"packing-rate-{pool}{suffix}", rate, "tok/CPU-s", note=f"pools of {pool:,} documents"))
        cut += sum(int((one > block_size - 2).sum()) for one in lengths)
        drawn += sum(map(len, lengths))
    note = f"documents longer than {block_size - 2:,} tokens, which no packing can keep whole; no other is cut"
    return [*rows, Result(f"packing-cut-documents{suffix}", 100 * cut / drawn, "%", note=note)]


if __name__ == "__main__":
    main()
