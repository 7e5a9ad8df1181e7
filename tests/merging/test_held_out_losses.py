import json
import shutil

import pytest
import torch
from transformers import ModernBertConfig

from mmbert_composer.cli.main import main
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError
from mmbert_composer.export.model_source import open_model
from mmbert_composer.merging.held_out_losses import check_vocabulary, held_out_losses
from mmbert_composer.models.held_out_loss import HeldOutLoss
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

pytest_plugins = ("tiny_models",)


@pytest.fixture
def folders(tmp_path, tiny_data, tiny_model):
    paths = []
    for seed in (1, 2):
        path = tmp_path / f"model{seed}"
        tiny_model(seed, vocab_size=640, local_attention=16).save_pretrained(path)
        shutil.copytree(tiny_data / "tokenizer", path, dirs_exist_ok=True)
        paths.append(path)
    return paths


def test_as_training_measures_it(tiny_data, folders):
    losses = held_out_losses({path.name: open_model(path) for path in folders}, tiny_data)
    source = open_model(folders[0])
    model = ModernBertMLM(ModernBertConfig(**source.files.config))
    model.model.load_state_dict(source.weights(), strict=False)
    metric, streams = HeldOutLoss(), list(load_manifest(tiny_data).streams)
    with torch.inference_mode():
        for batch in HeldOutLoader(tiny_data, streams, batch_size=3, blocks_per_stream=8):
            metric.update(batch, model.eval().eval_forward(batch))
    assert losses["model1"] == pytest.approx(float(metric.compute()), rel=1e-5)
    assert losses["model2"] != losses["model1"]


def test_by_the_command(tmp_path, tiny_data, folders, capsys):
    out = tmp_path / "out"
    assert main(["merge", "--out", str(out), "--held-out", str(tiny_data), *map(str, folders)]) == 0
    written = json.loads((out / "held_out.json").read_text())
    assert list(written["losses"]) == [*map(str, folders), f"{out} (merge)"]
    shown = capsys.readouterr().out
    assert "held-out loss, nats a masked token" in shown
    for name, loss in written["losses"].items():
        assert f"{loss:8.4f}  {name}" in shown
    alone = held_out_losses({"out": open_model(out)}, tiny_data)
    assert alone["out"] == pytest.approx(written["losses"][f"{out} (merge)"])


def test_refused_before_the_merge(tmp_path, tiny_data, folders, tiny_tokenizer, capsys):
    shutil.copytree(tiny_tokenizer, folders[0], dirs_exist_ok=True)
    with pytest.raises(UserError, match=r"the blocks of \S+ were made with another tokenizer than that of \S+model1"):
        check_vocabulary(open_model(folders[0]), tiny_data)
    assert main(["merge", "--out", str(tmp_path / "out"), "--held-out", str(tmp_path), *map(str, folders)]) == 1
    assert "manifest.json does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
