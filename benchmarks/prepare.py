"""``mmbert prepare`` beside its own tokenizer: how much of the time is not tokenizing. And importing tokens.

``python -m benchmarks.prepare [--quick] [--megabytes 40] [--rounds 3] [--folder DIR]``

The tokenizer alone encodes the same documents in the same batches, one process of one thread. The pipeline reads them
from a .jsonl.zst and ends with a verified data folder, in one process too. They take turns. The ratio is of CPU time,
which other users of the machine change least; that of wall time, in which waiting for the disk counts, is in the note.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one process a core is how it is used

import zstandard

from benchmarks.measure import Result, describe_machine, peak_memory, print_report, time_interleaved
from benchmarks.preparing.corpus import REAL_TEXT, documents
from benchmarks.preparing.import_mds import import_row
from benchmarks.preparing.tokenizers import FORMS, train_form
from mmbert_composer.data.prepare import prepare
from mmbert_composer.data.preparing.pack_unit import BATCH_DOCUMENTS
from mmbert_composer.data.text_encoder import TextEncoder

VOCAB_SIZE = 65_536
MEGABYTES = 40
ROUNDS = 3
IMPORTED_TOKENS = 40_000_000
TRAIN_BYTES = 12_000_000
"""Of text that a tokenizer is trained on."""


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run what this machine can and print it; returns what the JSON line says."""
    options = _options().parse_args(argv)
    machine = describe_machine()
    num_bytes = 300_000 if options.quick else options.megabytes * 1_000_000
    rounds = 1 if options.quick else options.rounds
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="prepare-", dir=options.folder) as name:
        folder = Path(name)
        records = documents(num_bytes)
        source = folder / "corpus.jsonl.zst"
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        source.write_bytes(zstandard.compress(lines.encode()))
        texts = [record["text"] for record in records]
        for form in FORMS:
            size = 2_000 if options.quick else VOCAB_SIZE
            tokenizer = train_form(form, _some(texts, TRAIN_BYTES), size, folder / form)
            results += _rows(form, tokenizer, source, texts, folder / "data", rounds)
        imported = 400_000 if options.quick else IMPORTED_TOKENS
        results.append(import_row(folder / FORMS[1], folder / "import", imported))
    text = "46 New Testaments" if REAL_TEXT.is_file() else "invented words"
    notes = [f"{num_bytes / 1e6:.1f} MB of {text}, {len(records):,} documents; {rounds} rounds"]
    if options.quick:
        notes.append("--quick: the numbers mean nothing")
    return print_report("prepare", machine, results, notes)


def _rows(form: str, tokenizer: Path, source: Path, texts: list[str], out: Path, rounds: int) -> list[Result]:
    encoder = TextEncoder(tokenizer)
    batches = [texts[first : first + BATCH_DOCUMENTS] for first in range(0, len(texts), BATCH_DOCUMENTS)]
    tokens = sum(len(ids) for batch in batches for ids in encoder.encode(batch))

    def tokenize(_: int) -> float:
        for batch in batches:
            encoder.encode(batch)
        return tokens

    def pipeline(_: int) -> float:
        shutil.rmtree(out, ignore_errors=True)
        manifest = prepare([f"jsonl:{source}"], tokenizer, out, 8192, say=lambda line: None)
        kept = sum(entry.tokens + entry.heldout_tokens for entry in manifest.streams.values())
        assert kept >= tokens, f"{kept} of {tokens} tokens were kept"
        return tokens

    timings = time_interleaved({"tokenizer": tokenize, "pipeline": pipeline}, rounds)
    alone, whole = timings["tokenizer"], timings["pipeline"]
    ratios = [a / b for a, b in zip(alone.cpu_seconds, whole.cpu_seconds, strict=True)]
    ours, theirs = (1 / statistics.median(timing.cpu_seconds) for timing in (whole, alone))
    peak = peak_memory(lambda: pipeline(0))
    suffix = "" if form == "gemma-form" else f"-{form}"
    rows = [
        Result(
            f"prepare-vs-tokenizer{suffix}",
            statistics.median(ratios),
            "x",
            ours,
            theirs,
            f"tok/CPU-s, {form}, {tokens / 1e6:.1f}M tokens; in rounds {min(ratios):.1%} to {max(ratios):.1%}; of wall "
            f"time {alone.times(whole):.1%}",
        )
    ]
    if peak is not None:
        rows.append(Result(f"prepare-memory{suffix}", peak / 1e6, "MB", note="largest resident memory of the process"))
    return rows


def _some(texts: list[str], num_bytes: int) -> list[str]:
    """Every n-th text, so that they are about ``num_bytes``."""
    total = sum(len(text.encode()) for text in texts)
    return texts[:: max(1, total // num_bytes)]


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.prepare", description="preparing text beside its tokenizer")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in seconds")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help=f"of text ({MEGABYTES})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of every contender ({ROUNDS})")
    parser.add_argument("--folder", help="where to write for a while (the system's temporary folder)")
    return parser


if __name__ == "__main__":
    main()
