import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks import merge
from benchmarks.merging.compare import compare
from benchmarks.merging.contenders import mergekit, ours, run
from benchmarks.merging.inputs import SMALL_SHAPE, write_inputs
from benchmarks.merging.places import BASE, MODELS
from benchmarks.merging.weights_alone import merge_weights
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_models import merge_models


def test_quick(capsys, tmp_path):
    report = merge.main(["--quick", "--folder", str(tmp_path)])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    assert report["benchmark"] == "merge"
    values = {row["name"]: row["value"] for row in report["results"]}
    assert list(values) == ["merge-ties-seconds", "merge-ties-repeats", "merge-linear-seconds", "merge-linear-repeats"]
    assert values["merge-ties-repeats"] == values["merge-linear-repeats"] == 0
    assert not list(tmp_path.iterdir())


def test_differences_at_a_threshold_are_counted_apart(tmp_path):
    base = torch.zeros(10)
    models = {"m1": torch.arange(10.0), "m2": torch.tensor([5.0] * 3 + [0.0] * 7), "m3": torch.ones(10)}
    for name, weights in {BASE: base, **models}.items():
        (tmp_path / name).mkdir()
        save_file({"w": weights}, tmp_path / name / "model.safetensors")
    one, other = torch.zeros(10), torch.zeros(10)
    other[0], other[9] = 5.0, 0.25
    for name, weights in {"ours": one, "theirs": other}.items():
        (tmp_path / name).mkdir()
        save_file({"w": weights}, tmp_path / name / "model.safetensors")
    plain = compare(tmp_path / "ours", tmp_path / "theirs")
    assert (plain["difference"], plain["elements"], plain["tied"]) == (5.0, 10, 0)
    # density 0.2 keeps two: m1's threshold is 8, m2's 5, m3's 1, where all ten are equal
    tied = compare(tmp_path / "ours", tmp_path / "theirs", tmp_path)
    assert (tied["difference"], tied["tied"], tied["tied_and_different"]) == (0.0, 10, 2)


def test_our_merge_without_the_check_writes_the_same(tmp_path):
    write_inputs(tmp_path, SMALL_SHAPE)
    models = [tmp_path / name for name in MODELS]
    for method in ("ties", "linear"):
        merge_weights(method, tmp_path / method, tmp_path / BASE, models)
        base = tmp_path / BASE if method == "ties" else None
        merge_models(models, tmp_path / f"{method}-whole", MergeMethod(method), base=base)
        assert compare(tmp_path / method, tmp_path / f"{method}-whole")["difference"] == 0


def test_commands(tmp_path):
    command = ours("ties", tmp_path, tmp_path / "out")
    assert command[1:4] == ["-m", "mmbert_composer.cli.main", "merge"]
    assert command[-3:] == [str(tmp_path / name) for name in MODELS]
    mergekit("ties", tmp_path, tmp_path / "out", ())
    recipe = json.loads((tmp_path / "out.yaml").read_text())
    assert recipe["base_model"] == str(tmp_path / BASE)
    assert [model["parameters"]["density"] for model in recipe["models"]] == [0.2] * 3


def test_a_process_is_measured(tmp_path):
    (tmp_path / "out").mkdir()
    code = f"import pathlib; x = bytearray(200_000_000); pathlib.Path({str(tmp_path / 'out')!r}).mkdir()"
    found = run([sys.executable, "-c", code], tmp_path / "out")
    assert found.peak > 200_000_000
    assert found.processor > 0


def test_inputs_differ_by_small_steps(tmp_path):
    write_inputs(tmp_path, SMALL_SHAPE)
    weights = {name: load_file(tmp_path / name / "model.safetensors") for name in (BASE, *MODELS)}
    steps = [
        weights[name][key] - weights[BASE][key] for name in MODELS for key in weights[BASE] if key.endswith("Wi.weight")
    ]
    assert len(steps) == 3 * 3
    flat = torch.stack([step.flatten() for step in steps])
    assert flat.std().item() == pytest.approx(0.001, rel=0.05)
    assert torch.corrcoef(flat).sub(torch.eye(9)).abs().max() < 0.1  # no two alike
