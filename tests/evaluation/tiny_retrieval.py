"""Tiny mirrors of what the retrieval suites read: triplets, a dataset of each benchmark."""

import json
import random
from pathlib import Path

from tests.evaluation.tiny_benchmarks import sentence

MSMARCO = "sentence-transformers/msmarco-co-condenser-margin-mse-sym-mnrl-mean-v1/triplet-hard/train.jsonl"
CONFIG = "- config_name: {name}\n  data_files:\n  - split: {split}\n    path: {file}\n"


def write_retrieval(root: Path) -> Path:
    """``STSBenchmark`` of MTEB English, ``BornholmBitextMining`` of MTEB Multilingual, ``CosQA`` of CoIR, MS MARCO.

    All of invented sentences; the last two of these benchmarks hold the same text on both sides.
    """
    source = random.Random(7)
    rows = [{column: sentence(source) for column in ("query", "positive", "negative")} for _ in range(20)]
    _write(root / MSMARCO, rows)
    pairs = [
        {"sentence1": sentence(source), "sentence2": sentence(source), "score": float(number % 6)}
        for number in range(12)
    ]
    _dataset(root / "mteb/stsbenchmark-sts", {"default": ("test", pairs)})
    texts = [sentence(source) for _ in range(6)]
    same = [{"sentence1": text, "sentence2": text} for text in texts]
    _dataset(root / "mteb/BornholmBitextMining", {"default": ("test", same)})
    qrels = [{"query-id": f"q{n}", "corpus-id": f"d{n}", "score": 1} for n in range(6)]
    _dataset(
        root / "CoIR-Retrieval/cosqa",
        {
            "default": ("test", qrels),
            "corpus": ("corpus", [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts)]),
            "queries": ("queries", [{"_id": f"q{n}", "text": text} for n, text in enumerate(texts)]),
        },
    )
    return root


def _dataset(folder: Path, configs: dict[str, tuple[str, list[dict[str, object]]]]) -> None:
    head = ""
    for name, (split, rows) in configs.items():
        _write(folder / f"{name}.jsonl", rows)
        head += CONFIG.format(name=name, split=split, file=f"{name}.jsonl")
    (folder / "README.md").write_text(f"---\nconfigs:\n{head}---\n")


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
