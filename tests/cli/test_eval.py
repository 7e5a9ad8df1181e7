"""``mmbert eval``: what the command does with its options; the loop itself is tested beside its files."""

import json

import pytest

from mmbert_composer.cli.main import main
from mmbert_composer.evaluation.all_tasks import BY_NAME
from tests.evaluation.conftest import save_tiny_encoder
from tests.evaluation.tiny_benchmarks import write_benchmarks


def test_run_writes_results_and_a_rerun_skips(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_tiny_encoder(tmp_path / "runs/mine/hf")
    write_benchmarks(tmp_path / "data", [BY_NAME["rte"], BY_NAME["sib200"]])
    command = ["eval", "run", "runs/mine/hf", "--suite", "sib200", "--data", "data", "--out", "results"]
    command += ["--epochs", "1", "--seeds", "3,4", "--device", "cpu"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "sib200: about" in said
    content = json.loads((tmp_path / "results/mine-hf/sib200.json").read_text())
    assert (content["model"], content["seeds"]) == ("mine-hf", [3, 4])
    assert set(content["by_language"]) == {"eng_Latn", "fra_Latn"}
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "sib200: done before, skipped" in said
    assert "(done before)" in said
    assert main(["eval", "compare", "results", "--no-published"]) == 0
    assert "mine-hf" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--suite", "glue", "--word-join", "none"], "--word-join none: known are split, space"),
        (["--suite", "glue", "--precision", "fp8"], "--precision fp8: known are fp32, bf16"),
        (["--suite", "glue", "--seeds", "a"], "--seeds a: numbers with commas"),
        (["--suite", "glue", "--lr", "0"], "--lr 0: positive numbers"),
        (["--suite", "glu"], "--suite: there is no 'glu'; did you mean glue?"),
        (["--suite", "glue"], "no-such-model: neither a folder"),
    ],
)
def test_refusals(capsys, tmp_path, options, message):
    assert main(["eval", "run", "no-such-model", "--out", str(tmp_path), *options]) == 1
    assert message in capsys.readouterr().err


def test_devices_that_are_not_there(capsys, tmp_path):
    save_tiny_encoder(tmp_path / "m")
    for device in ("tpu", "cuda:1"):
        command = ["eval", "run", str(tmp_path / "m"), "--tasks", "sst2", "--out", str(tmp_path), "--device", device]
        assert main(command) == 1
        assert f"--device {device}: " in capsys.readouterr().err


def test_list(capsys):
    assert main(["eval", "list"]) == 0
    said = capsys.readouterr().out
    for word in ("glue", "xtreme", "lowres", "sib200", "retrieval", "intrinsic", "wikiann", "xlm-r", "after siqa"):
        assert word in said
    assert main(["eval", "list", "--suite", "lowres"]) == 0
    assert "wikiann" not in capsys.readouterr().out
    assert main(["eval", "list", "--oddities"]) == 0
    assert "pos-first-letter" in capsys.readouterr().out
