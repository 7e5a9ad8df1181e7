import json
import shutil

import pytest

from mmbert_composer.cli.main import main
from mmbert_composer.errors import UserError
from mmbert_composer.merging.merge_request import MergeRequest, read_merge_yaml

pytest_plugins = ("tiny_models",)


@pytest.fixture
def folders(tmp_path, tiny_model, tiny_tokenizer):
    paths = []
    for seed in range(3):
        path = tmp_path / f"model{seed}"
        tiny_model(seed).save_pretrained(path)
        shutil.copytree(tiny_tokenizer, path, dirs_exist_ok=True)
        paths.append(str(path))
    return paths


@pytest.fixture
def run(tmp_path, save_run, save_checkpoint, tiny_model):
    run = save_run(tmp_path / "run")
    for seed, batch in enumerate((8, 12, 16)):
        save_checkpoint(run / "checkpoints", tiny_model(seed), epoch=batch // 4, batch=batch, token=256 * batch)
    return run


def _record(out):
    return json.loads((out / "merge.json").read_text())


def test_models_by_options(tmp_path, folders, capsys):
    out = tmp_path / "out"
    options = ["--method", "ties", "--base", folders[0], "--density", "0.4", "--lambda", "0.9", "--out", str(out)]
    assert main(["merge", *options, *folders[1:]]) == 0
    assert _record(out)["parameters"] == {"density": 0.4, "trim": "tensor", "lambda": 0.9}
    assert _record(out)["base"]["name"] == folders[0]
    assert "ties merge of" in capsys.readouterr().out
    assert main(["merge", "--out", str(out), *folders[1:]]) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_yaml(tmp_path, folders):
    file = tmp_path / "merge.yaml"
    file.write_text("method: linear\nweights: [0.5, 0.25, 0.25]\nout: out\nmodels: [model0, model1, model2]\n")
    assert main(["merge", str(file)]) == 0
    assert _record(tmp_path / "out")["parameters"] == {"weights": [0.5, 0.25, 0.25]}
    assert [entry["name"] for entry in _record(tmp_path / "out")["inputs"]] == folders


def test_a_run(tmp_path, run, capsys):
    assert main(["merge", "--method", "ema", "--last", "2", str(run)]) == 0
    assert [entry["batch"] for entry in _record(run / "merged")["inputs"]] == [12, 16]
    capsys.readouterr()
    assert main(["merge", "--method", "ema", "--last", "2", str(run)]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main(["merge", str(run), "--out", str(tmp_path / "other")]) == 0
    assert len(_record(tmp_path / "other")["inputs"]) == 3
    assert main(["merge", str(run), "--out", str(tmp_path / "other")]) == 1


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"modles": ["a"]}, "here: modles is no key of a merge: did you mean models"),
        ({"models": ["a", "b"]}, "here: out is missing"),
        ({"models": ["a", "b"], "out": "c", "last": 2}, "last counts the checkpoints of one run folder; here 2 models"),
        ({"models": ["a", "b"], "run": "r", "out": "c"}, "give either models, or one run folder"),
        ({"out": "c"}, "give either models, or one run folder"),
        ({"models": ["a"], "out": "c", "method": "ties", "density": "0.2"}, "density='0.2' must be a number"),
    ],
)
def test_bad_requests(keys, text):
    with pytest.raises(UserError, match=text):
        MergeRequest.of(keys, "here")


def test_bad_yaml(tmp_path, capsys):
    with pytest.raises(UserError, match="no such file"):
        read_merge_yaml(tmp_path / "none.yaml")
    file = tmp_path / "merge.yaml"
    file.write_text("models: [a")
    with pytest.raises(UserError, match="not valid YAML"):
        read_merge_yaml(file)
    file.write_text("- a\n")
    with pytest.raises(UserError, match="must be a mapping"):
        read_merge_yaml(file)
    assert main(["merge", str(file), "--method", "ema"]) == 1
    assert "holds the whole merge; put method into it" in capsys.readouterr().err
