"""The throughput benchmark runs, in a size for a test, and its parts say what they mean."""

import json
import math

import pytest
import torch

from benchmarks import inference
from benchmarks.step.cases import TINY
from benchmarks.throughput.encoders import mmbert, others
from benchmarks.throughput.setting import Pass, Setting, run_setting


def test_quick_prints_a_row_for_every_encoder_and_setting(capsys):
    report = inference.main(["--quick", "--rounds", "1"])
    printed = capsys.readouterr().out
    assert json.loads(printed.splitlines()[-1]) == report
    device = "gpu" if torch.cuda.is_available() else "cpu"
    names = [row["name"].removeprefix(f"{device}-") for row in report["results"]]
    assert [name for name in names if name.startswith("512-varied")] == [
        "512-varied-mmbert-small",
        "512-varied-mmbert-small-vs-transformers",
        "512-varied-mmbert-small-vs-minilm",
        "512-varied-mmbert-base",
        "512-varied-mmbert-base-vs-transformers",
        "512-varied-mmbert-base-vs-mdistilbert",
        "512-varied-mmbert-base-vs-xlm-r-base",
    ]
    assert [name for name in names if name.startswith("8192-fixed")] == [
        "8192-fixed-mmbert-small",
        "8192-fixed-mmbert-small-vs-transformers",
        "8192-fixed-mmbert-base",
        "8192-fixed-mmbert-base-vs-transformers",
    ]
    assert len(names) == 2 * 7 + 2 * 4
    assert all(math.isfinite(row["value"]) and row["value"] > 0 for row in report["results"])
    assert "mGTE (gte-multilingual) and EuroBERT left out" in printed
    assert "DISAGREES" not in printed


def test_a_twin_that_computes_something_else_is_left_out():
    encoders = mmbert({"mmbert-small": TINY}, 512, 256, attention="auto", device="cpu")
    twin = encoders["mmbert-small-transformers"]
    with torch.no_grad():
        twin.model.final_norm.weight = torch.nn.Parameter(torch.full((32,), 2.0))  # type: ignore[attr-defined]
    setting = Setting("512-fixed", 64, False, 2, 2)
    rows, notes = run_setting(setting, encoders, rounds=1, vocab_size=512, device="cpu")
    assert [row.name for row in rows] == ["cpu-512-fixed-mmbert-small"]
    assert notes[0].startswith("cpu-512-fixed: mmbert-small: DISAGREES, row left out")


def test_the_older_encoders_have_the_published_sizes():
    """Parameters as published or counted elsewhere: 278.0M, 117.7M and 134.7M."""
    with torch.device("meta"):
        sizes = {name: sum(p.numel() for p in encoder.model.parameters()) for name, encoder in others("meta").items()}
    assert sizes == {
        "xlm-r-base": pytest.approx(278.0e6, rel=1e-3),
        "minilm": pytest.approx(117.7e6, rel=1e-3),
        "mdistilbert": pytest.approx(134.7e6, rel=1e-3),
    }


def test_varied_documents_are_half_as_long_and_a_pass_counts_their_tokens():
    documents = Setting("512-varied", 512, True, 2000, 100).draw(16_000)
    lengths = [len(document) for document in documents]
    assert sum(lengths) / 2000 == pytest.approx(256, abs=5)
    assert 16 <= min(lengths) < 80
    assert max(lengths) > 430
    encoder = mmbert({"mmbert-small": TINY}, 512, 512, attention="auto", device="cpu")["mmbert-small"]
    few = [document % 512 for document in documents[:5]]
    work = Pass(encoder, few, at_once=2)
    assert [batch["sequences"] for batch in work.batches] == [2, 2, 1]
    assert work(0) == sum(map(len, few))
    assert encoder.encode(work.batches[0]).shape == (len(few[0]) + len(few[1]), 32)
