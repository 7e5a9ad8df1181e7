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


def test_explained(tmp_path, folders, run, capsys):
    out = tmp_path / "out"
    options = ["--method", "ties", "--trim", "model", "--base", folders[0], "--out", str(out), "--explain"]
    assert main(["merge", *options, *folders[1:]]) == 0
    shown = capsys.readouterr().out
    for text in ("What the merge did", "embeddings", "layers 0-1 attention", "explain.json and explain.png"):
        assert text in shown
    assert (out / "explain.png").is_file()
    assert _record(out)["settings"]["parameters"]["trim"] == "model"
    # a run's merge that is there is explained afterwards, as it was made before
    assert main(["merge", str(run)]) == 0
    before = (run / "merged" / "model.safetensors").read_bytes()
    assert main(["merge", str(run), "--explain"]) == 0
    assert "to merge" in " ".join(capsys.readouterr().out.split())
    assert (run / "merged" / "explain.json").is_file()
    assert (run / "merged" / "model.safetensors").read_bytes() == before


def test_slerp_and_task_arithmetic(tmp_path, folders, capsys):
    assert main(["merge", "--method", "slerp", "--t", "0.3", "--out", str(tmp_path / "a"), *folders[:2]]) == 0
    assert _record(tmp_path / "a")["parameters"] == {"t": 0.3}
    weights = ["--weight", "2", "--weight", "-1", "--normalize"]
    base = ["--method", "task_arithmetic", "--base", folders[0], "--lambda", "0.4"]
    assert main(["merge", *base, *weights, "--out", str(tmp_path / "b"), *folders[1:]]) == 0
    assert _record(tmp_path / "b")["parameters"] == {"weights": [2.0, -1.0], "normalize": True, "lambda": 0.4}
    capsys.readouterr()
    assert main(["merge", "--method", "slerp", "--out", str(tmp_path / "c"), *folders]) == 1
    assert "3 models given; method=slerp needs two" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"modles": ["a"]}, "here: modles is no key of a merge: did you mean models"),
        ({"models": ["a", "b"]}, "here: out is missing"),
        ({"models": ["a", "b"], "out": "c", "last": 2}, "last counts the checkpoints of one run folder; here 2 models"),
        ({"models": ["a", "b"], "run": "r", "out": "c"}, "give either models, or one run folder"),
        ({"out": "c"}, "give either models, or one run folder"),
        ({"models": "a", "out": "c"}, "here: models='a' must be a list of paths"),
        ({"models": ["a", "b"], "out": "c", "method": "sleerp"}, "did you mean slerp"),
        ({"models": ["a", "b"], "out": "c", "lamda": 1}, "lamda is no key of a merge: did you mean lambda"),
        ({"models": ["a", "b"], "out": "c", "explain": "yes"}, "explain='yes' must be true or false"),
        ({"models": ["a", "b"], "out": "c", "weights": 1}, "weights=1 must be a list of numbers"),
        ({"models": ["a", "b"], "out": "c"}, "a: no such file or folder"),
        ({"models": ["a", "b"], "out": "c", "held_out": "d"}, "no data in d"),
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
