"""A model whose special ids are the last ones of its vocabulary, as ModernBERT's, from import to training to export."""

import json

import pytest
import torch
from streaming import LocalDataset
from transformers import AutoModelForMaskedLM

from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.data.prepare import prepare
from mmbert_composer.errors import UserError
from mmbert_composer.importing.import_model import import_model
from mmbert_composer.train import train
from tests.foreign_tokenizers import ENGLISH

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")

IDS = {"pad": 383, "eos": 382, "bos": 381, "unk": 380, "mask": 384}


@pytest.fixture
def start(tmp_path, save_hf, modernbert_like):
    ids = {f"{key}_token_id": IDS[key] for key in ("pad", "bos", "eos")}
    hf = save_hf(tokenizer=modernbert_like, **ids, cls_token_id=IDS["bos"], sep_token_id=IDS["eos"])
    return import_model(hf, tmp_path / "start").exported.path


@pytest.fixture
def data(tmp_path, start):
    text = tmp_path / "text.jsonl"
    rows = [{"text": f"{text} [MASK] {number}", "language": "eng"} for number, text in enumerate(ENGLISH * 4)]
    text.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare([f"jsonl:{text}"], start, tmp_path / "data", block_size=64, say=lambda line: None)
    return tmp_path / "data"


def test_blocks(data):
    block = LocalDataset(str(data / "jsonl" / "eng"))[0]
    ids, ends = block["input_ids"], block["cu_seqlens"]
    assert set(ids[ends[:-1]].tolist()) == {IDS["bos"]}
    assert set(ids[ends[1:] - 1].tolist()) == {IDS["eos"]}
    assert set(ids[ends[-1] :].tolist()) <= {IDS["pad"]}
    assert not (ids == IDS["mask"]).any()  # "[MASK]" in a text is text
    manifest = json.loads((data / "manifest.json").read_text())
    assert (manifest["special_ids"], manifest["vocab_size"]) == (IDS, 388)
    assert manifest["special_token_ids"] == [1, 380, 381, 382, 383, 384]


def test_training_and_export(tmp_path, data, start, settings, yaml_of):
    mixture = {"jsonl": {"share": 1.0}}
    phase = {"name": "on", "duration": "2_048tok", "mask_ratio": 0.3, "max_seq_len": 64, "mixture": mixture}
    run = {**settings, "extends": str(start / "model.yaml"), "load_path": str(start), "load_as": "weights"}
    del run["model"]
    run["data"] = {**settings["data"], "root": str(data)}
    run["curriculum"] = {"max_passes": 100, "phases": [{**phase, "rope_theta": {"global": 160_000, "local": 40_000}}]}
    run["callbacks"] = {"huggingface_export": {}}
    folder = train(yaml_of(run))
    before, after = model_weights(start), model_weights(folder / "hf")
    assert after.keys() == before.keys()
    assert all(after[name].shape == before[name].shape for name in after)
    assert 0 < (after["head.dense.weight"] - before["head.dense.weight"]).abs().max() < 0.1
    config = AutoModelForMaskedLM.from_pretrained(folder / "hf").config
    assert [getattr(config, f"{key}_token_id") for key in ("pad", "bos", "eos")] == [383, 381, 382]
    assert (config.global_rope_theta, config.local_rope_theta) == (160_000, 40_000)
    assert torch.isfinite(after["decoder.bias"]).all()


def test_data_of_another_tokenizer_is_refused(data, start, gemma_like, save_hf, tmp_path, settings, yaml_of):
    other = import_model(save_hf("other"), tmp_path / "other-start").exported.path
    run = {**settings, "extends": str(other / "model.yaml"), "load_path": str(other), "load_as": "weights"}
    del run["model"]
    run["data"] = {**settings["data"], "root": str(data)}
    for phase in run["curriculum"]["phases"]:
        phase["mixture"] = {"jsonl": {"share": 1.0}}
    with pytest.raises(UserError, match="were trained with another tokenizer than the data was prepared with"):
        train(yaml_of(run))
