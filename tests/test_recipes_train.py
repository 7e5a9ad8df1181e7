"""The recipes as a user types them, on text under their source names, with a model shrunk by overrides."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from mmbert_composer.cli.main import main as mmbert
from mmbert_composer.train import main as train
from tests.conftest import ROOT, leave_process_group, read_jsonl
from tests.recipe_data import prepare_recipe_data, two_steps
from tests.test_recipes import RECIPES

YAMLS = ROOT / "yamls"


@pytest.fixture(scope="module")
def recipe_data(tmp_path_factory):
    return prepare_recipe_data(tmp_path_factory.mktemp("recipes"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def run(name, data, runs, *more, code=0):
    """Train a recipe into ``runs``/name, from what its phase follows; its steps."""
    recipe = YAMLS / f"{name}.yaml"
    assert train([str(recipe), *two_steps(recipe, data, runs / name, *more)]) == code
    leave_process_group()
    return [row for row in read_jsonl(runs / name / "metrics.jsonl") if "event" not in row] if code == 0 else []


@pytest.fixture(scope="module")
def pretrained(recipe_data, runs):
    """The checkpoint that later phases start from."""
    run("mmbert-base-pretrain", recipe_data, runs)
    return runs / "mmbert-base-pretrain"


def test_base_decay_trains_ends_merges_and_exports(recipe_data, runs, pretrained):
    from transformers import AutoModelForMaskedLM

    steps = run("mmbert-base-decay", recipe_data, runs, f"load_path={pretrained}")
    folder = runs / "mmbert-base-decay"
    assert len(steps) == 2
    assert [row["mask_ratio"] for row in steps] == [0.05, 0.05]
    assert [row["lr"] for row in steps] == pytest.approx([8e-4, 8e-4 * (0.02 + 0.98 * (1 - 0.5**0.5))])
    assert (folder / "report.html").exists()
    for exported in ("merged", "hf"):
        model = AutoModelForMaskedLM.from_pretrained(folder / exported)
        assert model.config.global_rope_theta == 160_000
    plan = (folder / "plan.json").read_text()
    assert "fineweb2/rus_Cyrl" in plan  # the list's rus
    assert "fineweb2-hq" not in plan  # in the data, in no recipe


def test_a_checkpoint_of_another_size(recipe_data, runs, pretrained, capsys):
    run("mmbert-small-decay", recipe_data, runs, f"load_path={pretrained}", "model.hidden_size=64", code=1)
    assert "another size, 3 layers 32 wide there, 3 layers 64 wide here" in capsys.readouterr().err
    assert not (runs / "mmbert-small-decay" / "metrics.jsonl").exists()


def test_languages_that_the_data_lacks(recipe_data, runs, capsys):
    recipe = YAMLS / "mmbert-base-pretrain.yaml"
    overrides = two_steps(recipe, recipe_data, runs / "lacks", languages="[deu, ron, fra]")
    assert train([str(recipe), *overrides]) == 1
    error = capsys.readouterr().err
    assert "phase 'pretrain': mixture.fineweb2: the data lacks" in error
    assert "ron" in error
    assert "fra" in error


@pytest.mark.slow
def test_the_merge_of_small(recipe_data, pretrained, tmp_path):
    """From the folders that the file names, beside a copy of it; the run's own merge is the same."""
    shutil.copytree(YAMLS / "merge", tmp_path / "yamls" / "merge")
    run("mmbert-small-decay-all", recipe_data, tmp_path / "runs", f"load_path={pretrained}")
    assert mmbert(["merge", str(tmp_path / "yamls/merge/mmbert-small.yaml")]) == 0
    own, asked = (
        load_file(tmp_path / "runs" / folder / "model.safetensors")
        for folder in ("mmbert-small-decay-all/merged", "mmbert-small-merged")
    )
    assert all(torch.equal(own[name], asked[name]) for name in own)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_each_trains_two_steps(name, recipe_data, tmp_path_factory, tmp_path):
    """Each from the checkpoint of the phase before it, in its own size's shape."""
    _, size, *part = name.split("-")
    more = []
    if part and part[0] != "pretrain":
        before = f"mmbert-{size}-{'pretrain' if part[0] == 'ext' else 'ext'}"
        shared = tmp_path_factory.getbasetemp() / "phases"
        for earlier in (f"mmbert-{size}-pretrain", f"mmbert-{size}-ext")[: 1 if part[0] == "ext" else 2]:
            if not (shared / earlier / "report.html").exists():
                start = [] if earlier.endswith("pretrain") else [f"load_path={shared}/mmbert-{size}-pretrain"]
                run(earlier, recipe_data, shared, *start)
        more = [f"load_path={shared / before}"]
    steps = run(name, recipe_data, tmp_path, *more)
    phases = list(dict.fromkeys(row["phase"] for row in steps))
    assert phases == ([part[0]] if part else ["pretrain", "ext", "decay"])
    assert len(steps) >= 2 * len(phases)
    assert all(row["loss"] > 0 for row in steps)
    ends = phases[-1] == "decay"
    assert (tmp_path / name / "merged" / "model.safetensors").exists() == ends
    assert (tmp_path / name / "hf" / "model.safetensors").exists() == ends
