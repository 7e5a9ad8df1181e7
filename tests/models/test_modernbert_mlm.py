"""The packed forward against transformers' own forward on every document alone, and what may not leak."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForMaskedLM, ModernBertForMaskedLM

from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

MakeModel = Callable[..., ModernBertMLM]
MakeBatch = Callable[..., dict[str, Any]]

# Blocks by the lengths of their sequences, block size, longest sequence allowed.
BATCHES = {
    "window edges": ([[64, 65, 66, 128, 129, 130, 200], [300, 2, 400]], 1024, 1024),
    "one sequence of 3 tokens": ([[3]], 1024, 1024),
    "1,025 tokens cut into two": ([[513, 512]], 1025, 1024),
    "512 sequences": ([[4] * 512], 2048, 1024),
    "full block": ([[1024]], 1024, 1024),
    "all shorter than the window": ([[30, 60, 20], [7, 64]], 128, 65),
}


def logits_of_each_alone(model: ModernBertForMaskedLM, batch: dict[str, Any]) -> torch.Tensor:
    """transformers' logits [M, vocab] of the gathered rows, every sequence in a forward of its own."""
    edges = batch["cu_seqlens"].tolist()
    pieces = []
    for start, end in pairwise(edges):
        ids = batch["input_ids"][None, start:end]
        pieces.append(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0])
    return torch.cat(pieces)[batch["gather"]]


@pytest.mark.parametrize(("blocks", "block_size", "max_seqlen"), BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("attention", ["sdpa", "reference"])
def test_logits_equal_transformers_and_gradients_are_finite(
    make_model: MakeModel,
    make_batch: MakeBatch,
    blocks: list[list[int]],
    block_size: int,
    max_seqlen: int,
    attention: str,
):
    model = make_model(attention=attention)
    batch = make_batch(blocks, block_size, max_seqlen)
    with torch.no_grad():
        expected = logits_of_each_alone(model.model.eval(), batch)
        assert expected.std() > 0.1  # the weights make a difference
        torch.testing.assert_close(model.packed_logits(batch), expected, atol=1e-4, rtol=0)

    outputs = model.train()(batch)
    torch.testing.assert_close(
        outputs["loss"], nn.functional.cross_entropy(expected, batch["labels"]), atol=1e-5, rtol=1e-5
    )
    outputs["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_gradients_equal_transformers(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model()
    batch = make_batch([[200, 3, 300], [150, 350]], 512, 512)
    names = [name for name, _ in model.model.named_parameters()]
    parameters = list(model.model.parameters())
    expected_loss = nn.functional.cross_entropy(logits_of_each_alone(model.model, batch), batch["labels"])
    expected = torch.autograd.grad(expected_loss, parameters)
    actual = torch.autograd.grad(model(batch)["loss"], parameters)
    for name, ours, theirs in zip(names, actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("distance", "is_seen"), [(64, True), (65, False), (-64, True), (-65, False)])
def test_a_local_layer_sees_exactly_64_tokens_each_way(
    make_model: MakeModel, make_batch: MakeBatch, distance: int, is_seen: bool
):
    model = make_model(num_hidden_layers=2).eval()
    del model.model.model.layers[0]  # the global one: a single local layer is left
    batch = make_batch([[300]], 300, 300)
    query = 150
    batch["gather"] = torch.tensor([query])
    with torch.no_grad():
        before = model.packed_logits(batch)
        assert torch.allclose(before, logits_of_each_alone(model.model, batch), atol=1e-5)
        batch["input_ids"][query + distance] = 7 if batch["input_ids"][query + distance] != 7 else 8
        after = model.packed_logits(batch)
    assert torch.equal(before, after) is not is_seen


def test_nothing_leaks_between_documents_of_a_block(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model().eval()
    batch = make_batch([[100, 60, 90]], 256, 256)
    batch["gather"] = torch.arange(100, 160)
    with torch.no_grad():
        before = model.packed_logits(batch)
        batch["input_ids"][:100] = 9
        batch["input_ids"][160:] = 10
        assert torch.equal(before, model.packed_logits(batch))


def test_without_a_label_the_loss_is_zero_and_every_parameter_has_a_gradient(
    make_model: MakeModel, make_batch: MakeBatch
):
    model = make_model()
    batch = make_batch([[50], [60]], 64, 64)
    batch["labels"].fill_(-100)
    batch["num_masked"] = 0
    outputs = model(batch)
    assert outputs["loss"].item() == 0
    assert outputs["correct"].item() == 0
    outputs["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


def test_eval_outputs_per_row_and_train_outputs_do_not(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model()
    batch = make_batch([[50], [20, 44]], 64, 64)
    assert set(model.train()(batch)) == {"loss", "correct", "num_masked"}
    outputs = model.eval().eval_forward(batch)
    assert outputs is model.eval_forward(batch, outputs)
    used = batch["labels"] != -100
    assert not outputs["row_loss"][~used].any()
    assert not outputs["row_loss"].requires_grad
    torch.testing.assert_close(outputs["row_loss"].sum() / used.sum(), outputs["loss"].detach())
    assert outputs["row_correct"].sum() == outputs["correct"]
    assert model.loss(outputs, batch) is outputs["loss"]


def test_metrics_follow_the_held_out_streams(make_model: MakeModel, make_batch: MakeBatch):
    config = make_model().config
    model = ModernBertMLM(config, held_out_streams=["cldr/eng", "cldr/deu"]).eval()
    assert model.get_metrics(is_train=True) == {}
    metrics = model.get_metrics(is_train=False)
    batch = make_batch([[50], [20, 44]], 64, 64)
    with torch.no_grad():
        outputs = model.eval_forward(batch)
    for metric in metrics.values():
        model.update_metric(batch, outputs, metric)
    torch.testing.assert_close(metrics["HeldOutLoss"].compute().float(), outputs["loss"])
    counts = {name: count for name, (_, count) in metrics["HeldOutLoss"].per_stream().items()}
    rows = (batch["labels"] != -100).view(2, -1).sum(1).tolist()
    assert counts == {"cldr/eng": rows[0], "cldr/deu": rows[1]}


def test_dropout_is_on_the_attention_output_alone(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model(attention_out_dropout=0.999999)
    batch = make_batch([[50]], 64, 64)
    assert model.config.attention_dropout == 0
    for layer in model.model.model.layers:
        assert layer.attn.out_drop.p == 0.999999
        assert layer.attn.attention_dropout == layer.mlp.drop.p == 0
    torch.manual_seed(0)
    dropped = model.train()(batch)["loss"]
    full = model.eval()(batch)["loss"]
    for layer in model.model.model.layers:
        nn.init.zeros_(layer.attn.Wo.weight)
    without_attention = model(batch)["loss"]
    torch.testing.assert_close(dropped, without_attention)  # all that the projection writes is gone, nothing else
    assert abs(full - without_attention) > 1e-3


def test_dropout_is_seeded_and_off_in_eval(make_model: MakeModel, make_batch: MakeBatch):
    model, batch = make_model(attention_out_dropout=0.1), make_batch([[50]], 64, 64)

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return model(batch)["loss"].item()

    assert loss(1) == loss(1) != loss(2)
    model.eval()
    assert loss(1) == loss(2)


def test_state_dict_keys_are_transformers_after_model(make_model: MakeModel):
    model = make_model()
    names = ModernBertForMaskedLM(model.config).state_dict().keys()
    assert list(model.state_dict()) == [f"model.{name}" for name in names]


def test_saved_model_reloads_with_equal_logits(make_model: MakeModel, make_batch: MakeBatch, tmp_path: Path):
    model = make_model(attention_out_dropout=0.1).eval()
    batch = make_batch([[100, 200]], 300, 300)
    model.model.save_pretrained(tmp_path)
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    assert loaded.config.attention_out_dropout == 0.1
    assert loaded.config.attention_dropout == 0
    with torch.no_grad():
        expected = logits_of_each_alone(loaded, batch)
        torch.testing.assert_close(model.packed_logits(batch), expected, atol=1e-5, rtol=0)
    again = ModernBertMLM(loaded.config)
    assert again.model.model.layers[0].attn.out_drop.p == 0.1  # remembered by the config


def test_one_block_is_learnt_by_heart(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model(max_len=128, initializer_range=0.02)
    batch = make_batch([[50, 30, 40]], 128, 128)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, weight_decay=0.0)
    first = model(batch)["loss"].item()
    assert first == pytest.approx(math.log(256), abs=0.1)
    for _ in range(300):
        loss = model(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02
    assert model(batch)["correct"].item() == batch["num_masked"]


def test_float64_runs(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model().double()
    batch = make_batch([[70, 100]], 200, 200)
    assert model(batch)["loss"].dtype == torch.float64


def test_autocast_to_bf16_stays_close(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model(initializer_range=0.02)
    batch = make_batch([[70, 100]], 200, 200)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(batch)["loss"]
    loss.backward()
    torch.testing.assert_close(loss, model(batch)["loss"], atol=2e-2, rtol=0)


def test_bad_options_are_refused(make_model: MakeModel):
    config = make_model().config
    with pytest.raises(UserError, match="attention='flash' is no backend"):
        ModernBertMLM(config, attention="flash")
    with pytest.raises(UserError, match=r"model\.compile='yes' must be auto, true or false"):
        ModernBertMLM(config, compile="yes")  # pyright: ignore


def test_autocast_on_a_cpu_keeps_loss_and_gradients_in_fp32(make_model: MakeModel, make_batch: MakeBatch):
    batch = make_batch([[200, 3, 53], [256]], 256, 256)
    exact = make_model()
    low = ModernBertMLM(exact.config, autocast=torch.bfloat16)
    losses = [model(batch)["loss"] for model in (exact, low)]
    assert losses[0].item() != losses[1].item()
    torch.testing.assert_close(losses[1], losses[0], atol=0.05, rtol=0.02)
    losses[1].backward()
    for name, parameter in low.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32, name
        assert torch.isfinite(parameter.grad).all(), name
