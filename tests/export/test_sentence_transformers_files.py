import json

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from mmbert_composer.checkpoints.model_weights import hf_names
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.export.export_model import ModelFiles, export_model
from mmbert_composer.export.sentence_transformers_files import write_sentence_transformers_files

pytest_plugins = ("tiny_models",)


def test_the_files(tmp_path):
    write_sentence_transformers_files(tmp_path, 384, 1024)
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert [(module["path"], module["type"].rpartition(".")[2]) for module in modules] == [
        ("", "Transformer"),
        ("1_Pooling", "Pooling"),
    ]
    pooling = json.loads((tmp_path / "1_Pooling" / "config.json").read_text())
    assert pooling["word_embedding_dimension"] == 384
    assert [key for key, value in pooling.items() if value is True and key.startswith("pooling_mode")] == [
        "pooling_mode_mean_tokens"
    ]
    assert json.loads((tmp_path / "sentence_bert_config.json").read_text())["max_seq_length"] == 1024
    assert json.loads((tmp_path / "config_sentence_transformers.json").read_text())["similarity_fn_name"] == "cosine"


def test_the_mean_over_the_tokens(tmp_path, tiny_model, tiny_config, tiny_tokenizer):
    library = pytest.importorskip("sentence_transformers")
    files = ModelFiles(tiny_config().to_dict(), tiny_tokenizer, RopeTheta(1e4, 1e4), 128)
    out = export_model(hf_names(tiny_model(0).state_dict(), "test"), files, tmp_path / "hf").path
    model = library.SentenceTransformer(str(out), device="cpu")
    texts = ["word1 word2 word3", "word9"]
    batch = AutoTokenizer.from_pretrained(out)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(out).eval()(**batch).last_hidden_state
    by_hand = torch.stack([hidden[0, :5].mean(0), hidden[1, :3].mean(0)])
    assert torch.allclose(model.encode(texts, convert_to_tensor=True), by_hand, atol=1e-6)
    assert model.max_seq_length == 128
