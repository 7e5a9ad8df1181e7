"""The benchmarks of preparing run, in a size for a test."""

import json

import numpy as np
import pytest

from benchmarks import packing, prepare
from benchmarks.preparing.corpus import documents


def test_quick_prepares_beside_the_tokenizer_and_imports(capsys, tmp_path):
    report = prepare.main(["--quick", "--folder", str(tmp_path)])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    values = {row["name"]: row["value"] for row in report["results"]}
    assert {"prepare-vs-tokenizer", "prepare-vs-tokenizer-byte-level", "import-tokens-per-cpu-second"} <= values.keys()
    assert all(value > 0 for value in values.values())
    assert not list(tmp_path.iterdir())


def test_quick_packs(capsys):
    report = packing.main(["--quick"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    values = {row["name"]: row["value"] for row in report["results"]}
    assert values["packing-fill-5000"] > 99.5
    assert 0.05 < values["packing-cut-documents"] < 0.25


def test_pools_that_pass_blocks_on_fill_better_than_those_alone():
    lengths = packing.draw_lengths(6_000, 1.0, np.random.default_rng(0))
    stream = packing.pack_stream(lengths, 8192, 500)
    alone = [packing.pack_alone(lengths[first : first + 500], 8192) for first in range(0, 6_000, 500)]
    assert stream.tokens == sum(one.tokens for one in alone)
    assert stream.blocks < sum(one.blocks for one in alone)
    assert all(one.fill(8192) <= one.best_fill(8192) <= 1 for one in [stream, *alone])


def test_lengths_are_as_they_should_be():
    lengths = packing.draw_lengths(200_000, 1.0, np.random.default_rng(0))
    assert lengths.mean() == pytest.approx(700, rel=0.02)
    assert np.log(lengths).std() == pytest.approx(1.0, rel=0.02)


def test_documents_are_of_many_languages():
    found = documents(2_000_000)
    assert len({record["language"] for record in found}) >= 3
    assert sum(len(record["text"].encode()) for record in found) == pytest.approx(2_000_000, rel=0.3)
