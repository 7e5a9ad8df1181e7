"""Importing tokens that were made before (``mds:``): tokens per CPU-second of the whole import, and of reading alone.

A part of ``python -m benchmarks.prepare``. The folder is laid out as the published ones, its sequences have the lengths
that text has (log-normal, mean 700), and its ids fall off as those of words do, so that they compress as such.
"""

import shutil
import time
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
from mmbert_composer.data.tokenizer_files import TokenizerFiles

FOLDERS = 4
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


def import_row(tokenizer: Path, folder: Path, num_tokens: int) -> Result:
    """The row ``import-tokens-per-cpu-second``; ``folder`` is a place for some 16 bytes a token."""
    rates = measure_import(tokenizer, folder, num_tokens)
    note = (
        f"{rates.tokens / 1e6:.0f}M tokens in {FOLDERS} folders, read, sorted, packed and written by one process; "
        f"target {TARGET / 1e6:.0f}M; reading and checking alone {rates.read / 1e6:.0f}M"
    )
    return Result("import-tokens-per-cpu-second", rates.whole, "tok/CPU-s", note=note)


def measure_import(tokenizer: Path, folder: Path, num_tokens: int) -> ImportRates:
    """Write a published folder of about ``num_tokens``, read it, import it."""
    files = TokenizerFiles(tokenizer)
    rules = TokenRules.of(files)
    published, out = folder / "published", folder / "data"
    written = write_published(published, num_tokens, rules)
    try:
        found = parse_spec(f"mds:{published}", ReadOptions())
        start = time.process_time()
        for unit in found.units(1 << 40):
            for path, sequences in read_sequences(unit, found.options):
                check_sequences(sequences, rules, path, "mds/und")
        read = time.process_time() - start
        start = time.process_time()
        manifest = prepare([f"mds:{published}"], tokenizer, out, 8192, say=lambda line: None)
        whole = time.process_time() - start
        imported = manifest.tokens + sum(entry.heldout_tokens for entry in manifest.streams.values())
        assert imported == written, f"{imported} of {written} tokens were imported"
        return ImportRates(written, written / read, written / whole)
    finally:
        for path in (published, out):
            shutil.rmtree(path, ignore_errors=True)


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
