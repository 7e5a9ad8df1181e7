"""All 1,834 languages of mmBERT end to end: made-up text in the real proportions, prepared, planned and trained on.

``pytest -m slow tests/test_1834_languages.py -s`` prints what each stage took: the table of docs/data.md.
"""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.loading.real_counts import COUNTS, real_counts, scale
from mmbert_composer.data.manifest import load_manifest
from tests.conftest import ROOT, read_jsonl

TOKENS = 50_000_000
"""Some; as many as the made-up words become."""

WORDS_A_TOKEN = 0.4
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzàéîõüçñøßđłħ"))


def documents(counts: dict[str, int]) -> Iterator[dict[str, str]]:
    """Texts of 300 words of each language's own, at least three a language."""
    for number, (language, tokens) in enumerate(scale(counts, TOKENS).items()):
        draw = np.random.default_rng(number)
        words = ["".join(draw.choice(LETTERS, size)) for size in draw.integers(2, 8, 400)]
        source = "code" if language == "code" else "web"
        for _ in range(max(3, round(tokens * WORDS_A_TOKEN / 300))):
            text = " ".join([words[index] for index in draw.integers(0, 400, 300)])
            yield {"text": text, "source": source, "language": "und" if language == "code" else language}


@pytest.fixture
def stage(tmp_path, capsys):
    """Runs a command as its user would and prints its time and memory."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}

    def run(title: str, *command: object) -> str:
        start = time.perf_counter()
        with (tmp_path / "output").open("w+") as output:
            arguments = [sys.executable, *map(str, command)]
            process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read()
        assert process.returncode == 0, text[-3000:]
        with capsys.disabled():
            cpu = usage.ru_utime + usage.ru_stime
            seconds = time.perf_counter() - start
            print(f"\n| {title} | {seconds:.0f} s | {cpu:.0f} s | {usage.ru_maxrss / 1e6:.2f} GB |", end="", flush=True)
        return text

    return run


@pytest.mark.slow
@pytest.mark.skipif(not COUNTS.exists(), reason="the published counts of languages are not here")
def test_1834_languages_from_text_to_a_trained_model(tmp_path: Path, stage, capsys):
    counts = real_counts()
    assert counts is not None
    text, data, run = tmp_path / "text.jsonl", tmp_path / "data", tmp_path / "run"
    with text.open("w", encoding="utf-8") as file:
        for document in documents(counts):
            file.write(json.dumps(document, ensure_ascii=False) + "\n")
    mmbert = ("-m", "mmbert_composer.cli.main")
    spec = ("--input", f"jsonl:{text}")
    stage("tokenizer of 8,192", *mmbert, "tokenizer", "train", *spec, "--vocab-size", 8192, "--out", tmp_path / "tok")
    how = ("--tokenizer", tmp_path / "tok", "--block-size", 1024, "--out", data)
    stage("prepare", *mmbert, "prepare", "run", *spec, *how, "--workers", 2)
    manifest = load_manifest(data)
    assert len(manifest.streams) == len(counts) == 1834
    assert all(entry.blocks for entry in manifest.streams.values())
    stage("verify", *mmbert, "prepare", "verify", data)
    stage("stats", *mmbert, "prepare", "stats", data, "--csv", tmp_path / "stats.csv", "--plot", tmp_path / "stats.png")
    # The real proportions have survived; of documents, since words of the largest languages became tokens of their own.
    with (tmp_path / "stats.csv").open(newline="") as file:
        prepared = {
            row["language"]: int(row["documents"]) + int(row["heldout_documents"]) for row in csv.DictReader(file)
        }
    largest = list(counts)[:30]
    ratios = [prepared["und" if name == "code" else name] / counts[name] for name in largest]
    assert max(ratios) / min(ratios) < 1.01
    # so long that the smallest languages get a block too
    curriculum = ("curriculum.max_passes=null", "curriculum.phases.2.duration=3_145_728tok")
    yaml = (ROOT / "yamls" / "real-text.yaml", f"data.root={data}", *curriculum)
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 2}
    model = [f"model.{key}={value}" for key, value in shape.items()]
    planned = tmp_path / "plan.json"
    stage("plan", *mmbert, "plan", *yaml, *model, "--json", planned)
    assert [phase["languages"] for phase in json.loads(planned.read_text())["phases"]] == [60, 110, 1834]
    brief = (f"save_folder={run}", "eval_interval=null", "data.num_workers=1", "progress_bar=false", *model)
    stage("train", ROOT / "train.py", *yaml, *brief)
    steps = [row for row in read_jsonl(run / "metrics.jsonl") if "loss" in row and "event" not in row]
    assert steps[-1]["loss"] < steps[0]["loss"]
    served = {name for row in read_jsonl(run / "samples-rank0.jsonl") for name, *_ in row.get("samples", [])}
    assert len(served) == 1834
    assert (run / "merged" / "model.safetensors").exists()
    assert (run / "report.html").exists()
    files = [path for path in data.rglob("*") if path.is_file()]
    with capsys.disabled():
        size = sum(path.stat().st_size for path in files)
        print(
            f"\n{text.stat().st_size / 1e6:.0f} MB of text; {manifest.tokens:,} tokens in {manifest.blocks:,} blocks, "
            f"{len(manifest.streams):,} streams, fill {manifest.tokens / manifest.blocks / 1024:.2%}; "
            f"{len(files):,} files, {size / 1e6:.0f} MB; {len(steps)} steps, {len(served):,} streams trained on"
        )
