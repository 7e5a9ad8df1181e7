"""The benchmark runs, in a size for a test, and its parts say what they mean."""

import json
import math

import pytest
import torch

from benchmarks import train_step
from benchmarks.step.agreement import Agreement
from benchmarks.step.cases import QUICK, CpuCase
from benchmarks.step.contenders import Peer
from benchmarks.step.cpu import GOLDEN, Work, case_documents, make_ours, typical_batches
from benchmarks.step.documents import draw_lengths, make_documents, pack_documents, packed_batch, padded_batch
from benchmarks.step.floor import Floor, Scratch, products_of_step
from mmbert_composer.models.flops import step_flops

pytest_plugins = ("tiny_models",)


def test_quick_prints_every_row_a_cpu_gives(capsys):
    report = train_step.main(["--quick", "--case", "cpu-1024", "--case", "cpu-8192"])
    printed = capsys.readouterr().out
    assert json.loads(printed.splitlines()[-1]) == report
    names = [row["name"] for row in report["results"] if row["name"] != "cpu-1024-memory"]  # not on every system
    assert names == [
        "cpu-1024-vs-default",
        "cpu-1024-vs-best",
        "cpu-1024-vs-best-own-memory",
        "cpu-1024-of-floor",
        "cpu-8192-vs-best",
        "cpu-8192-vs-best-own-memory",
        "cpu-8192-of-floor",
    ]
    for row in report["results"]:
        assert all(math.isfinite(row[key]) and row[key] > 0 for key in ("value", "ours", "peer")), row
    assert printed.count("same documents, weights and masks") == 3
    assert "DISAGREES" not in printed


def test_bf16_rows_are_apart_and_a_missing_gpu_is_said(capsys):
    report = train_step.main(["--quick", "--case", "cpu-8192", "--case", "gpu-1024", "--bf16", "--rounds", "1"])
    names = [row["name"] for row in report["results"] if not row["name"].startswith("gpu")]
    assert names == ["cpu-8192-bf16-vs-best", "cpu-8192-bf16-vs-best-own-memory", "cpu-8192-bf16-of-floor"]
    if not torch.cuda.is_available():
        assert "gpu-1024 left out: no GPU here" in capsys.readouterr().out


def test_profile_names_the_costliest_operations(capsys):
    train_step.main(["--quick", "--case", "cpu-8192", "--profile"])
    assert "Self CPU" in capsys.readouterr().out


def test_a_peer_with_other_weights_disagrees():
    case = QUICK["cpu-8192"]
    assert isinstance(case, CpuCase)
    ours = make_ours(case)
    documents = case_documents(case, seed=0)
    agreement = Agreement(ours, ours.batch(documents), documents)
    peer = Peer(ours, sparse=True)
    assert agreement.check("best", peer)[0]
    with torch.no_grad():
        for parameter in peer.model.model.layers[1].parameters():
            parameter.mul_(1.5)  # in memory that both share: what was compared is ours before the change
    agrees, line = agreement.check("best", peer)
    assert not agrees
    assert line.startswith("DISAGREES")


def test_packed_and_padded_batches_hold_the_same_tokens_and_labels():
    documents = make_documents(draw_lengths(12, 0, high=100), 512, 0.15, seed=1)
    (block,) = pack_documents(documents, 2048, seed=0)
    packed = packed_batch([block], 2048, rows=308, max_seqlen=100)
    padded = padded_batch(block)
    real = padded["attention_mask"].bool()
    assert torch.equal(packed["input_ids"][: packed["tokens_real"]], padded["input_ids"][real])
    used = packed["labels"] != -100
    assert used.sum() == packed["num_masked"] == (padded["labels"] != -100).sum()
    labels = torch.full((2048,), -100)
    labels[packed["gather"][used]] = packed["labels"][used]
    assert torch.equal(labels[: packed["tokens_real"]], padded["labels"][real])
    assert packed["cu_seqlens"][-1] == 2048
    assert packed["cu_seqlens"].diff().max() <= 100


def test_lengths_follow_the_distribution_of_the_contract():
    lengths = draw_lengths(20_000, 3)
    assert (min(lengths), max(lengths)) == (16, 1024)
    assert sorted(lengths)[10_000] == pytest.approx(400 * math.exp(-0.5), rel=0.03)


def test_a_round_takes_batches_from_everywhere():
    documents = make_documents([20] * 64, 64, 0.15, seed=0)
    work = Work(None, [documents[i : i + 1] for i in range(64)], steps=8)  # type: ignore[arg-type]
    rounds = [work.of_round(number) for number in range(8)]
    for indices in rounds:
        assert [index // 8 for index in indices] == list(range(8))  # one from each eighth
    assert len({tuple(indices) for indices in rounds}) >= 6
    assert 0.6 < GOLDEN < 0.62


def test_typical_batches_are_padded_as_the_pool_is():
    documents = make_documents(draw_lengths(64, 0), 512, 0.15, seed=0)
    batches = typical_batches(documents)
    longest = [max(len(document.ids) for document in batch) for batch in batches]
    padding = [4 * top / sum(len(d.ids) for d in batch) for top, batch in zip(longest, batches, strict=True)]
    whole = 4 * sum(longest) / sum(len(document.ids) for document in documents)
    assert abs(padding[0] - whole) <= abs(padding[-1] - whole)
    assert padding[0] == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("lengths", [[512], [513], [1000, 700, 20]])
def test_tiles_of_a_long_document_are_all_of_its_pairs(tiny_config, lengths):
    config = tiny_config(num_hidden_layers=1)  # a global one
    products = products_of_step(config, lengths, sum(lengths), 1)
    assert 3 * sum(product.flops for product in products) == step_flops(config.to_dict(), lengths, 1).total


def test_the_floor_counts_the_models_flops_and_the_tiles_of_the_windows(tiny_config):
    """One document without padding: 3 x its forward products, but for local tiles, of three chunks instead of a band.

    Layers 0 and 3 are global; the two local ones have 256 / 8 chunks of 8 queries and 24 keys.
    """
    config = tiny_config(local_attention=16, vocab_size=512)
    model = step_flops(config.to_dict(), [256], 38)
    local = 2 * (256 * 17 - 8 * 9)
    tiles = 2 * 256 * 24
    products = products_of_step(config, [256], 256, 38)
    assert 3 * sum(product.flops for product in products) == model.total + 3 * 4 * 32 * (tiles - local)
    floor = Floor(config, [256], 256, 38, Scratch("cpu", torch.float32))
    floor()
    assert floor.flops == 3 * sum(product.flops for product in products)
    logits = floor.scratch.tensor(2, 38, 512)
    assert torch.allclose(logits.sum(1), torch.ones(38))
