"""Packed embeddings are those of the exported model, padded."""

import numpy as np

from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.evaluation.embed_packed import embed_packed, encode_sequences
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.load_encoder import load_encoder
from mmbert_composer.export.packed_model import packed_model
from tests.conftest import tiny_documents


def test_as_the_exported_model(finished_run):
    texts = [document["text"] for document in tiny_documents()[:30]]
    encoder = load_encoder(finished_run / "hf")
    packed = packed_model(encoder.model.config.to_dict(), finished_run / "hf" / "model.safetensors")
    sequences = encode_sequences(TextEncoder(finished_run / "hf"), texts, 64)
    assert [ids.tolist() for ids in sequences] == encoder.tokenizer(texts, truncation=True, max_length=64)["input_ids"]
    np.testing.assert_allclose(
        embed_packed(packed, sequences, tokens_at_once=200), embed_texts(encoder, texts, max_length=64), atol=1e-4
    )
