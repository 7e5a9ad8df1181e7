import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from mmbert_composer.cli.main import main
from mmbert_composer.errors import UserError
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_models import merge_models

pytest_plugins = ("tiny_models",)


@pytest.fixture
def save_folder(tmp_path, tiny_model, tiny_tokenizer):
    def save(name, seed, **overrides):
        folder = tmp_path / name
        tiny_model(seed, **overrides).save_pretrained(folder)
        shutil.copytree(tiny_tokenizer, folder, dirs_exist_ok=True)
        return folder

    return save


def test_folders_and_checkpoints_mixed(tmp_path, save_folder, tiny_model, save_run, save_checkpoint):
    one = save_folder("one", 1, global_rope_theta=160_000.0, local_rope_theta=160_000.0)
    run = save_run(tmp_path / "run")
    two = save_checkpoint(run / "checkpoints", tiny_model(2), epoch=4, batch=16, token=4096)
    merged = merge_models([one, two], tmp_path / "out", MergeMethod())
    result = load_file(tmp_path / "out" / "model.safetensors")
    first, second = tiny_model(1).state_dict(), tiny_model(2).state_dict()
    for name, tensor in result.items():
        assert torch.allclose(tensor, (first[name] + second[name]) / 2, atol=1e-6)
    assert "decoder.weight" not in result
    record = json.loads((tmp_path / "out" / "merge.json").read_text())
    assert record == merged.record
    assert record["method"] == "linear"
    assert [entry["name"] for entry in record["inputs"]] == [str(one), str(two)]
    assert record["inputs"][1]["batch"] == 16
    assert all(entry["hash"].startswith("xxh3-128:") for entry in record["inputs"])
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "out")
    assert model.config.global_rope_theta == 160_000
    assert torch.equal(model.decoder.weight, model.model.embeddings.tok_embeddings.weight)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").mask_token_id == 4
    assert not list(tmp_path.glob(".out*"))


def test_ties_with_a_base(tmp_path, save_folder, tiny_model):
    folders = [save_folder(f"m{seed}", seed) for seed in (1, 2, 3)]
    base = save_folder("base", 0)
    merge_models(folders, tmp_path / "out", MergeMethod("ties", density=0.2), base=base)
    merge_models(folders[::-1], tmp_path / "again", MergeMethod("ties", density=0.2), base=base)
    result = load_file(tmp_path / "out" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "again" / "model.safetensors").items():
        assert torch.equal(tensor, result[name])
    origin = tiny_model(0).state_dict()
    name = "model.layers.1.mlp.Wi.weight"
    changed = (result[name] != origin[name]).float().mean()
    assert 0.2 <= changed < 3 * 0.2
    record = json.loads((tmp_path / "out" / "merge.json").read_text())
    assert record["base"]["name"] == str(base)
    assert record["parameters"] == {"density": 0.2, "trim": "tensor", "lambda": 1.0}


def test_ema_goes_by_step(tmp_path, tiny_model, save_run, save_checkpoint):
    run = save_run(tmp_path / "run")
    early = save_checkpoint(run / "checkpoints", tiny_model(1), epoch=2, batch=12, token=3072)
    late = save_checkpoint(run / "checkpoints", tiny_model(2), epoch=4, batch=16, token=4096)
    merge_models([late, early], tmp_path / "out", MergeMethod("ema", decay=0.5))
    first, second = tiny_model(1).state_dict(), tiny_model(2).state_dict()
    for name, tensor in load_file(tmp_path / "out" / "model.safetensors").items():
        assert torch.allclose(tensor, first[name] / 3 + second[name] * 2 / 3, atol=1e-6)


def test_models_that_do_not_belong_together(tmp_path, save_folder):
    one = save_folder("one", 1)
    with pytest.raises(UserError, match=r"model\.layers\.0\.mlp\.Wi\.weight has shapes \[96, 32\] and \[64, 32\]"):
        merge_models([one, save_folder("narrow", 1, intermediate_size=32)], tmp_path / "out", MergeMethod())
    with pytest.raises(UserError, match=r"num_attention_heads is 2 in .*one and 4 in .*heads"):
        merge_models([one, save_folder("heads", 1, num_attention_heads=4)], tmp_path / "out", MergeMethod())
    with pytest.raises(UserError, match="different RoPE theta"):
        merge_models([one, save_folder("theta", 1, global_rope_theta=160_000.0)], tmp_path / "out", MergeMethod())
    other = save_folder("words", 2)
    content = json.loads((other / "tokenizer.json").read_text())
    content["model"]["vocab"]["another"] = content["model"]["vocab"].pop("word0")
    (other / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"one and .*words have different tokenizers"):
        merge_models([one, other], tmp_path / "out", MergeMethod())
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_bad_calls(tmp_path, save_folder):
    one = save_folder("one", 1)
    with pytest.raises(UserError, match="exists already"):
        merge_models([one, one], one, MergeMethod())
    with pytest.raises(UserError, match="1 model given; method=linear needs two or more"):
        merge_models([one], tmp_path / "out", MergeMethod())
    with pytest.raises(UserError, match="a base is for method=ties or task_arithmetic, not for linear"):
        merge_models([one, one], tmp_path / "out", MergeMethod(), base=one)
    with pytest.raises(UserError, match="method=ties needs a base"):
        merge_models([one, one], tmp_path / "out", MergeMethod("ties"))
    with pytest.raises(UserError, match="no such file or folder"):
        merge_models([one, tmp_path / "none"], tmp_path / "out", MergeMethod())


def test_nan_in_an_input(tmp_path, save_folder, tiny_model):
    one, two = save_folder("one", 1), save_folder("two", 2)
    model = tiny_model(2)
    with torch.no_grad():
        model.head.dense.weight[0, 0] = float("nan")
    model.save_pretrained(two)
    with pytest.raises(UserError, match=r"two holds NaN or infinite values in head\.dense\.weight"):
        merge_models([one, two], tmp_path / "out", MergeMethod())
    assert not (tmp_path / "out").exists()


def test_explained(tmp_path, save_folder):
    models, base = [save_folder(f"m{seed}", seed) for seed in (1, 2)], save_folder("base", 0)
    merge_models(models, tmp_path / "out", MergeMethod("ties"), base=base, explain=True)
    content = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert content["models"] == [str(model) for model in models]
    assert content["base"] == str(base)
    everything = content["groups"][-1]
    assert everything["parameters"] == sum(p.numel() for p in AutoModelForMaskedLM.from_pretrained(base).parameters())
    assert everything["density"] == pytest.approx([0.2, 0.2], abs=0.01)
    assert (tmp_path / "out" / "explain.png").stat().st_size > 10_000
    merge_models(models, tmp_path / "plain", MergeMethod("ties"), base=base)
    assert not (tmp_path / "plain" / "explain.json").exists()
    for name in ("out", "plain"):
        assert (tmp_path / name / "model.safetensors").read_bytes() == (tmp_path / "out/model.safetensors").read_bytes()


def test_a_base_that_is_no_ancestor_is_doubted(tmp_path, save_folder, tiny_model, caplog):
    models = [save_folder(f"m{seed}", seed) for seed in (1, 2)]
    with caplog.at_level(logging.WARNING):
        merge_models(models, tmp_path / "out", MergeMethod("ties"), base=save_folder("stranger", 0))
    assert "m1 is as far from the base" in caplog.text
    assert "is this the model that the others were trained from?" in caplog.text
    caplog.clear()
    near = []
    for seed in (1, 2):
        model = tiny_model(0)
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.01)
        near.append(save_folder(f"near{seed}", 0))
        model.save_pretrained(near[-1])
    with caplog.at_level(logging.WARNING):
        merge_models(near, tmp_path / "good", MergeMethod("ties"), base=tmp_path / "stranger")
    assert caplog.text == ""


def test_the_same_model_twice_is_said(tmp_path, save_folder, caplog):
    one = save_folder("one", 1)
    with caplog.at_level(logging.WARNING):
        merge_models([one, one], tmp_path / "out", MergeMethod())
    assert "some of the models hold the same weights" in caplog.text


def test_a_full_disk_leaves_nothing(tmp_path, save_folder):
    models = [save_folder(f"m{seed}", seed) for seed in (1, 2)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"out: File too large; nothing was left there. Make room"):
            merge_models(models, tmp_path / "out", MergeMethod())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_what_a_killed_merge_left_goes(tmp_path, save_folder):
    leftover = tmp_path / ".out.partial-0123"
    leftover.mkdir()
    (leftover / "model.safetensors").write_bytes(b"half")
    merge_models([save_folder("m1", 1), save_folder("m2", 2)], tmp_path / "out", MergeMethod())
    assert not leftover.exists()
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_folders_that_cannot_be_read(tmp_path, save_folder):
    one, two = save_folder("one", 1), save_folder("two", 2)
    whole = (two / "model.safetensors").read_bytes()
    (two / "model.safetensors").write_bytes(whole[:-5])
    with pytest.raises(UserError, match=r"two/model\.safetensors: not a complete safetensors file"):
        merge_models([one, two], tmp_path / "out", MergeMethod())
    (two / "model.safetensors").unlink()
    (two / "pytorch_model.bin").write_bytes(b"old")
    with pytest.raises(UserError, match=r"two: its weights are pickled \(pytorch_model\.bin\)"):
        merge_models([one, two], tmp_path / "out", MergeMethod())
    assert not (tmp_path / "out").exists()


def test_half_precision_stays(tmp_path, tiny_model, save_folder):
    folders = []
    for seed in (1, 2):
        folders.append(save_folder(f"m{seed}", seed))
        tiny_model(seed).to(torch.bfloat16).save_pretrained(folders[-1])
    merge_models(folders, tmp_path / "out", MergeMethod())
    assert {tensor.dtype for tensor in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.mark.slow
def test_a_merge_killed_while_it_writes_is_done_again(tmp_path, save_folder):
    # Wide enough that writing and checking take a while.
    models = [save_folder(f"m{seed}", seed, vocab_size=40_000, hidden_size=256) for seed in (1, 2)]
    command = [sys.executable, "-m", "mmbert_composer.cli.main", "merge", "--out", "out", *map(str, models)]
    merge = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".out.partial-*/model.safetensors")):
        assert merge.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    merge.kill()
    merge.wait()
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out.partial-*"))
    assert main(["merge", "--out", str(tmp_path / "out"), *map(str, models)]) == 0
    assert not list(tmp_path.glob(".out.partial-*"))
    first, second = (load_file(model / "model.safetensors") for model in models)
    for name, tensor in load_file(tmp_path / "out" / "model.safetensors").items():
        assert torch.allclose(tensor, (first[name] + second[name]) / 2, atol=1e-6)
