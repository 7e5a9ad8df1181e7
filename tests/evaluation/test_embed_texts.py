"""Embeddings of a tiny encoder: as computed one text at a time, and as sentence-transformers does."""

import numpy as np
import pytest
import torch

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext import Bitext, retrieve
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.load_encoder import load_encoder

pytest_plugins = ("tiny_models",)

TEXTS = ["word1 word2", "word3", " ".join(f"word{n}" for n in range(50)), "word2 word1 word4 word4", "word9 word9"]


@pytest.fixture
def encoder(tiny_model, tiny_tokenizer, tmp_path):
    tiny_model(0).save_pretrained(tiny_tokenizer)
    return load_encoder(tiny_tokenizer)


def alone(encoder, text):
    batch = encoder.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        return encoder.model(**batch, output_hidden_states=True)


def test_as_one_at_a_time(encoder):
    outputs = [alone(encoder, text) for text in TEXTS]
    mean = np.stack([out.last_hidden_state[0].mean(0).numpy() for out in outputs])
    np.testing.assert_allclose(embed_texts(encoder, TEXTS, tokens_at_once=16), mean, atol=2e-5)
    first = np.stack([out.last_hidden_state[0, 0].numpy() for out in outputs])
    np.testing.assert_allclose(embed_texts(encoder, TEXTS, pooling="first"), first, atol=2e-5)
    second = np.stack([out.hidden_states[2][0].mean(0).numpy() for out in outputs])
    np.testing.assert_allclose(embed_texts(encoder, TEXTS, layer=2), second, atol=2e-5)


def test_cut_at_max_length(encoder):
    whole, cut = embed_texts(encoder, TEXTS), embed_texts(encoder, TEXTS, max_length=6)
    assert np.allclose(whole[0], cut[0], atol=2e-5)
    assert not np.allclose(whole[2], cut[2], atol=1e-2)


def test_retrieve_counts_pairs(encoder):
    found = retrieve(encoder, Bitext("xxx", TEXTS, TEXTS), ("first",))["first"]
    assert (found.to_target, found.to_source, found.accuracy, found.n) == (1.0, 1.0, 1.0, 5)


@pytest.mark.parametrize(
    ("how", "says"),
    [({"pooling": "max"}, "pooling='max' must be one of mean, first"), ({"layer": 9}, "the model has 4")],
)
def test_refusals(encoder, how, says):
    with pytest.raises(UserError, match=says):
        embed_texts(encoder, TEXTS, **how)
    with pytest.raises(UserError, match="no texts"):
        embed_texts(encoder, [])


def test_a_head_that_is_not_there_is_not_made_up(encoder, tiny_tokenizer):
    encoder.model.save_pretrained(tiny_tokenizer)
    assert load_encoder(tiny_tokenizer).model is not None
    with pytest.raises(UserError, match=r"no masked-LM head in .*: its weights lack decoder\.bias"):
        load_encoder(tiny_tokenizer, head="mlm")


def test_no_model(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        load_encoder(tmp_path / "absent")
    with pytest.raises(UserError, match="no model"):
        load_encoder(tmp_path)
