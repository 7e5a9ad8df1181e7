"""Hugging Face to ours to Hugging Face on mmBERT's real shapes with random weights; the small one in every run."""

import importlib.util
import shutil

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    ModernBertConfig,
    ModernBertForMaskedLM,
    pipeline,
)

from mmbert_composer.checkpoints.safetensors_file import open_safetensors, stored_tensors
from mmbert_composer.export.export_run import export_run
from mmbert_composer.export.weights_file import same_bits
from mmbert_composer.importing.import_model import import_model

pytest_plugins = ("tiny_models", "foreign_tokenizers")

SHAPES = {
    "tiny": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 2}
    | {"vocab_size": 448},
    "small": {"hidden_size": 384, "intermediate_size": 1152, "num_hidden_layers": 22, "num_attention_heads": 6}
    | {"vocab_size": 256_000},
    "base": {"hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22, "num_attention_heads": 12}
    | {"vocab_size": 256_000},
}
IDS = {"pad_token_id": 0, "eos_token_id": 1, "sep_token_id": 1, "bos_token_id": 2, "cls_token_id": 2}


@pytest.mark.parametrize(
    "shape", ["tiny", pytest.param("small", marks=pytest.mark.slow), pytest.param("base", marks=pytest.mark.slow)]
)
def test_there_and_back(tmp_path, gemma_like, shape):
    torch.manual_seed(0)
    theta = {"global_rope_theta": 160_000.0, "local_rope_theta": 160_000.0}
    model = ModernBertForMaskedLM(ModernBertConfig(**SHAPES[shape], **IDS, **theta)).eval()
    model.save_pretrained(tmp_path / "hf")
    shutil.copytree(gemma_like, tmp_path / "hf", dirs_exist_ok=True)
    imported = import_model(tmp_path / "hf", tmp_path / "start")
    export_run(tmp_path / "start", tmp_path / "back")
    assert imported.exported.differences["padded"] < 1e-4

    files = [tmp_path / name / "model.safetensors" for name in ("hf", "start", "back")]
    assert stored_tensors(files[0]) == stored_tensors(files[1]) == stored_tensors(files[2])
    with open_safetensors(files[0]) as before, open_safetensors(files[2]) as after:
        assert all(same_bits(before.get_tensor(name), after.get_tensor(name)) for name in stored_tensors(files[0]))

    back = str(tmp_path / "back")
    tokenizer = AutoTokenizer.from_pretrained(back)
    texts = ["the quick brown fox", "some people say that the weather is fine today"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(back).eval()(**batch).last_hidden_state
        assert torch.allclose(hidden, model.model(**batch).last_hidden_state, atol=1e-4)
        logits = AutoModelForMaskedLM.from_pretrained(back).eval()(**batch).logits
        assert torch.allclose(logits, model(**batch).logits, atol=1e-4)
    assert len(pipeline("fill-mask", model=back, device="cpu")("the quick <mask> fox")) == 5
    if importlib.util.find_spec("sentence_transformers") is not None:
        from sentence_transformers import SentenceTransformer

        mask = batch.attention_mask[..., None]
        embeddings = SentenceTransformer(back, device="cpu").encode(texts, convert_to_tensor=True)
        assert torch.allclose(embeddings, (hidden * mask).sum(1) / mask.sum(1), atol=1e-5)
    for folder in ("hf", "start", "back"):  # gigabytes, and pytest keeps the folders of three runs
        shutil.rmtree(tmp_path / folder)
