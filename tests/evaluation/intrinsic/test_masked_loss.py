"""Masked losses: against transformers' own loss with all logits, for each kind of head; sums; masks by text alone."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmbert_composer.data.masking import IGNORE
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.lm_head import lm_head
from mmbert_composer.evaluation.intrinsic.masked_loss import MaskedLoss, masked_losses, total
from mmbert_composer.evaluation.intrinsic.masked_windows import MAX_WINDOWS, WindowMasker, cut_windows
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument
from mmbert_composer.evaluation.load_encoder import load_encoder

pytest_plugins = ("tiny_models",)

DOCUMENTS = [
    TextDocument(" ".join(f"word{(n * k) % 59}" for n in range(1, length)), language, "web")
    for k, (length, language) in enumerate([(30, "eng"), (3, "eng"), (200, "deu"), (12, "deu")], 3)
]


def small(kind):
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        DistilBertConfig,
        DistilBertForMaskedLM,
        XLMRobertaConfig,
        XLMRobertaForMaskedLM,
    )

    sizes = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 48, "max_position_embeddings": 66, "pad_token_id": 0}
    torch.manual_seed(1)
    if kind == "bert":
        return BertForMaskedLM(BertConfig(**sizes))
    if kind == "xlm-roberta":
        return XLMRobertaForMaskedLM(XLMRobertaConfig(**sizes))
    return DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=64, dim=32, n_layers=2, n_heads=2, hidden_dim=48, max_position_embeddings=66)
    )


@pytest.fixture(params=["modernbert", "bert", "xlm-roberta", "distilbert"])
def encoder(request, tiny_model, tiny_tokenizer):
    model = tiny_model(0, max_position_embeddings=66) if request.param == "modernbert" else small(request.param)
    model.save_pretrained(tiny_tokenizer)
    return load_encoder(tiny_tokenizer, head="mlm")


def test_as_the_whole_model(encoder):
    losses = masked_losses(encoder, DOCUMENTS, max_length=512, tokens_at_once=100)
    windows, _ = cut_windows(encoder.tokenizer, DOCUMENTS, encoder.max_length)
    assert sum(window.document == 2 for window in windows) == MAX_WINDOWS
    masker = WindowMasker(encoder.tokenizer, "tiny")
    nats = np.zeros(len(DOCUMENTS))
    masked = np.zeros(len(DOCUMENTS), int)
    for window in windows:
        ids, attention, place, labels = masker.mask([window], DOCUMENTS)
        targets = np.full(ids.size, IGNORE)
        targets[place] = labels
        with torch.no_grad():
            logits = encoder.model(
                input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(attention)
            ).logits.reshape(ids.size, -1)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets), reduction="sum")
        nats[window.document] += float(loss)
        masked[window.document] += len(place)
    assert [loss.masked for loss in losses] == masked.tolist()
    np.testing.assert_allclose([loss.nats for loss in losses], nats, rtol=1e-4)
    assert masked[1] == 1  # at least one token of every window


def test_masks_do_not_depend_on_the_company(tiny_tokenizer):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer)
    masker = WindowMasker(tokenizer, "tiny")
    windows, measured = cut_windows(tokenizer, DOCUMENTS, 64)
    ids, _, place, labels = masker.mask(windows, DOCUMENTS)
    for row, window in enumerate(windows):
        alone, _, own_place, own_labels = masker.mask([window], DOCUMENTS)
        assert ids[row, : len(window.ids)].tolist() == alone[0].tolist()
        inside = place // ids.shape[1] == row
        assert (place[inside] % ids.shape[1]).tolist() == own_place.tolist()
        assert labels[inside].tolist() == own_labels.tolist()
        original = np.array(window.ids)
        assert (original[own_place] == own_labels).all()
        assert len(own_place) == max(1, round(0.15 * (len(window.ids) - 2)))
        assert not set(own_labels.tolist()) & set(tokenizer.all_special_ids)
    assert measured[0].tokens == 29
    assert measured[0].bytes == len(DOCUMENTS[0].text)


def test_sums():
    both = total([MaskedLoss(10.0, 1, 4, 40, 120), MaskedLoss(2.0, 2, 2, 10, 20)])
    assert (both.per_token, both.accuracy, both.documents) == (2.0, 0.5, 2)
    assert both.bits_per_byte == pytest.approx(2.0 / math.log(2) * 50 / 140)


def test_refusals(tiny_tokenizer, tiny_model):
    with pytest.raises(UserError, match="head of a SimpleNamespace"):
        lm_head(SimpleNamespace(), "odd")
    model = tiny_model(0)
    with torch.no_grad():
        model.decoder.bias[3] = float("nan")
    model.save_pretrained(tiny_tokenizer)
    with pytest.raises(UserError, match="its loss is not finite"):
        masked_losses(load_encoder(tiny_tokenizer, head="mlm"), DOCUMENTS)
