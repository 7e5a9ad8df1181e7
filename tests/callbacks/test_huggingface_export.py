import json

import torch
from composer.loggers import InMemoryLogger
from plain_run import plain_trainer
from transformers import AutoModelForMaskedLM, AutoTokenizer

from mmbert_composer.callbacks.huggingface_export import HuggingFaceExport
from mmbert_composer.export.compare_logits import fixed_documents, packed_logits, padded_logits
from mmbert_composer.export.export_run import ensure_export

pytest_plugins = ("tiny_models",)


def test_a_plain_trainer(tmp_path, tiny_tokenizer):
    logger = InMemoryLogger()
    export = HuggingFaceExport(tokenizer=tiny_tokenizer)
    trainer = plain_trainer(tmp_path / "run", [export], steps=4, loggers=[logger])
    trainer.fit(duration="2ba")
    trainer.state.model.set_rope_theta(160_000.0, 40_000.0)  # as context_extension does
    trainer.fit(duration="2ba")
    out = tmp_path / "run" / "hf"
    loaded = AutoModelForMaskedLM.from_pretrained(out)
    assert (loaded.config.global_rope_theta, loaded.config.local_rope_theta) == (160_000, 40_000)
    documents = fixed_documents(loaded.config)
    trained = packed_logits(trainer.state.model, documents)
    for ours, theirs in zip(trained, padded_logits(loaded, documents), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)
    assert AutoTokenizer.from_pretrained(out).pad_token_id == 0
    assert json.loads((out / "export.json").read_text())["batch"] == 4
    assert logger.get_timeseries("export/max_logit_difference")["export/max_logit_difference"].max() < 1e-4
    assert logger.get_timeseries("export/seconds")["export/seconds"].min() > 0
    trainer.close()
    trainer.close()
    assert ensure_export(tmp_path / "run") is None  # a restart finds it done


def test_another_folder(tmp_path, tiny_tokenizer):
    export = HuggingFaceExport(out=tmp_path / "elsewhere", tokenizer=tiny_tokenizer)
    trainer = plain_trainer(tmp_path / "run", [export], steps=2)
    trainer.fit()
    trainer.close()
    assert (tmp_path / "elsewhere" / "model.safetensors").is_file()
    assert not (tmp_path / "run" / "hf").exists()
