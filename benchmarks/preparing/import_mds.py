"""Importing tokens that were made before (``mds:``): tokens per CPU-second of the whole import, and of reading alone.

A part of ``python -m benchmarks.prepare``. The folder is laid out as the published ones, its sequences have the lengths
that text has (log-normal, mean 700), and its ids fall off as those of words do, so that they compress as such.
"""

import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Result
from mmbert_composer.data.inputs.mds import check_sequences, read_sequences
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.data.prepare import prepare
from mmbert_composer.data.tokenizer_files import tokenizer_facts

FOLDERS = 4
ROUNDS = 3
TARGET = 30e6
"""Tokens per CPU-second of design.md."""
_SUFFIX = "tokenized-chunked-8192-512-32-backfill-nodups"


@dataclass(frozen=True)
class ImportRates:
    """Tokens per CPU-second of all processes."""

    tokens: int
    read: float
    """Shards to checked sequences in memory."""
    whole: float
    """``mmbert prepare run``: read, sort, pack, write, finish."""


def import_row(tokenizer: Path, folder: Path, num_tokens: int, rounds: int = ROUNDS) -> Result:
    """The row ``import-tokens-per-cpu-second``; ``folder`` is a place for some 16 bytes a token."""
    rates = measure_import(tokenizer, folder, num_tokens, rounds)
    note = (
        f"{rates.tokens / 1e6:.0f}M tokens in {FOLDERS} folders, read, sorted, packed and written by one process, "
        f"median of {rounds} after a first one; target {TARGET / 1e6:.0f}M; reading and checking alone "
        f"{rates.read / 1e6:.0f}M"
    )
    return Result("import-tokens-per-cpu-second", rates.whole, "tok/CPU-s", note=note)


def measure_import(tokenizer: Path, folder: Path, num_tokens: int, rounds: int = ROUNDS) -> ImportRates:
    """Write a published folder of about ``num_tokens``, read it and import it ``rounds`` times.

    A first round of each is not counted: it takes the memory that the others use again, as a job of hours does.
    """
    rules = TokenRules.of(tokenizer_facts(tokenizer))
    published, out = folder / "published", folder / "data"
    written = write_published(published, num_tokens, rules)
    os.sync()  # else the first import waits for these bytes too

    def read() -> None:
        found = parse_spec(f"mds:{published}", ReadOptions())
        for unit in found.units(1 << 40):
            for path, sequences in read_sequences(unit, found.options):
                check_sequences(sequences, rules, path, "mds/und")

    def whole() -> None:
        manifest = prepare([f"mds:{published}"], tokenizer, out, 8192, say=lambda line: None)
        imported = manifest.tokens + sum(entry.heldout_tokens for entry in manifest.streams.values())
        assert imported == written, f"{imported} of {written} tokens were imported"

    try:
        rates = (written / _median_seconds(work, rounds, out) for work in (read, whole))
        return ImportRates(written, *rates)
    finally:
        for path in (published, out):
            shutil.rmtree(path, ignore_errors=True)


def _median_seconds(work: Callable[[], None], rounds: int, out: Path) -> float:
    """CPU seconds of this process for ``work``, whose ``out`` is removed before; a first round is not counted."""
    times: list[float] = []
    for _ in range(rounds + 1):
        shutil.rmtree(out, ignore_errors=True)
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


def write_published(folder: Path, num_tokens: int, rules: TokenRules) -> int:
    """Folders of raw MDS shards with ``input_ids`` and ``id``; the number of tokens in them."""
    from streaming import MDSWriter  # it loads torch, which a benchmark of preparing had better not need before

    written = 0
    for number in range(FOLDERS):
        rng = np.random.default_rng(number)
        place = folder / "train" / "fineweb2-sampled" / f"deu_Latn-{_SUFFIX}" / f"000_{number:05}-{_SUFFIX}"
        columns = {"input_ids": "ndarray:uint32", "id": "str"}
        writer = MDSWriter(out=str(place), columns=columns, size_limit=1 << 26)
        left = num_tokens // FOLDERS
        while left > 0:
            sequence = _sequence(rng, rules)
            writer.write({"input_ids": sequence, "id": f"<urn:uuid:{number}-{left}>"})
            left -= len(sequence)
            written += len(sequence)
        writer.finish()
    return written


def _sequence(rng: np.random.Generator, rules: TokenRules) -> NDArray[np.uint32]:
    length = int(np.clip(rng.lognormal(np.log(700) - 0.5, 1.0), 16, 8192))
    # Ids 5 and up, each e-fold of the vocabulary equally often: rank times frequency is constant.
    ids = np.exp(rng.random(length) * np.log(rules.vocab_size - 5)) + 4
    tokens = ids.astype(np.uint32)
    tokens[0], tokens[-1] = rules.bos, rules.eos
    return tokens
