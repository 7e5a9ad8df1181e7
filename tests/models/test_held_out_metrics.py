"""Sums per stream, the same on one rank and on two."""

import copy

import pytest
import torch
from torchmetrics.utilities import dim_zero_sum

from mmbert_composer.models.held_out_accuracy import HeldOutAccuracy
from mmbert_composer.models.held_out_loss import HeldOutLoss

# Two blocks of two rows each; the second row of block 1 is unused.
BATCH = {"labels": torch.tensor([5, 6, 7, -100]), "blocks": 2, "streams": torch.tensor([1, 0])}
OUTPUTS = {
    "row_loss": torch.tensor([1.0, 3.0, 8.0, 0.0]),
    "row_correct": torch.tensor([True, False, True, False]),
}


def test_means_by_hand():
    loss, accuracy = HeldOutLoss(["a/x", "a/y", "b/z"]), HeldOutAccuracy(["a/x", "a/y", "b/z"])
    for metric in (loss, accuracy):
        metric.update(BATCH, OUTPUTS)
    assert loss.compute().item() == 4.0  # 12 nats over 3 tokens
    assert loss.per_stream() == {"a/x": (8.0, 1), "a/y": (2.0, 2)}  # b/z was not seen
    assert accuracy.compute().item() == pytest.approx(2 / 3)
    assert accuracy.per_stream() == {"a/x": (1.0, 1), "a/y": (0.5, 2)}


def test_without_names_there_is_a_total_alone():
    metric = HeldOutLoss()
    metric.update({k: v for k, v in BATCH.items() if k != "streams"}, OUTPUTS)
    assert metric.compute().item() == 4.0
    assert metric.per_stream() == {}


def test_states_of_two_ranks_add_up_to_those_of_one():
    whole = HeldOutLoss(["a", "b"])
    ranks = [copy.deepcopy(whole), copy.deepcopy(whole)]
    for i in range(4):
        outputs = {"row_loss": torch.tensor([0.1, 0.2, 0.3, 0.0]) * (i + 1)}
        whole.update(BATCH, outputs)
        ranks[i % 2].update(BATCH, outputs)
    assert torch.equal(whole.counts, ranks[0].counts + ranks[1].counts)
    torch.testing.assert_close(whole.value_sums, ranks[0].value_sums + ranks[1].value_sums, atol=1e-12, rtol=0)
    assert {whole._reductions[name] for name in ("value_sums", "counts")} == {dim_zero_sum}


def test_reset_forgets_and_states_survive_half_precision():
    metric = HeldOutLoss(["a", "b"]).half()
    metric.update(BATCH, OUTPUTS)
    assert metric.value_sums.dtype == torch.float64
    metric.reset()
    assert not metric.counts.any()
