"""The model in training: beside transformers' own, under DDP and in Composer's Trainer."""

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from composer import DataSpec, Evaluator, Trainer
from composer.loggers import InMemoryLogger
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.optim.stable_adamw import build_stable_adamw
from mmbert_composer.optim.token_schedule import TokenSchedule
from mmbert_composer.optim.trapezoid import trapezoid

MakeModel = Callable[..., ModernBertMLM]
MakeBatch = Callable[..., dict[str, Any]]

# Half of the documents are longer than 200 tokens.
BLOCKS = [[260, 60, 190], [210, 300], [500, 12], [230, 280], [220, 130, 160], [350, 20, 100]]


def text_like(batch: dict[str, Any], step: int) -> dict[str, Any]:
    """The batch with skewed, predictable tokens: every token follows from the one before, some are frequent."""
    generator = torch.Generator().manual_seed(step)
    ids = batch["input_ids"].clone()
    real = (ids != 0).nonzero().squeeze(1)
    steps = torch.multinomial(torch.tensor([0.7, 0.2, 0.1]), len(real), replacement=True, generator=generator)
    tokens = 5 + (steps.cumsum(0) + step) % 40
    ids[real] = tokens
    used = batch["labels"] != -100
    batch["labels"][used] = ids[batch["gather"][used]]
    ids[batch["gather"][used]] = 4
    return batch | {"input_ids": ids}


def padded(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What transformers' trainer would see: a padded row per document, the padding tails left out."""
    labels = torch.full_like(batch["input_ids"], -100)
    used = batch["labels"] != -100
    labels[batch["gather"][used]] = batch["labels"][used]
    edges = batch["cu_seqlens"].tolist()
    spans = [(s, e) for s, e in pairwise(edges) if batch["input_ids"][s] != 0]
    rows = [batch["input_ids"][s:e] for s, e in spans]
    return {
        "input_ids": pad_sequence(rows, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        "labels": pad_sequence([labels[s:e] for s, e in spans], batch_first=True, padding_value=-100),
    }


def test_200_steps_lose_as_transformers_own_model_does(make_model: MakeModel, make_batch: MakeBatch):
    lengths = [length for block in BLOCKS for length in block]
    assert sum(length > 200 for length in lengths) * 2 >= len(lengths)
    ours = make_model(max_len=512, initializer_range=0.02)
    theirs = copy.deepcopy(ours.model)
    optimizers = [build_stable_adamw(ours, lr=4e-3), build_stable_adamw(theirs, lr=4e-3)]
    losses = []
    for step in range(200):
        batch = text_like(make_batch([BLOCKS[step % len(BLOCKS)]], 512, 512, seed=step), step)
        pair = [ours(batch)["loss"], theirs(**padded(batch)).loss]
        for loss, optimizer in zip(pair, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append([loss.item() for loss in pair])
    differences = [abs(a - b) for a, b in losses]
    assert max(differences) < 1e-3
    assert losses[0][0] - sum(a for a, _ in losses[-10:]) / 10 > 1.0


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_ddp_finds_every_parameter_used_also_without_labels(make_model: MakeModel, make_batch: MakeBatch):
    model = make_model()
    wrapped = DistributedDataParallel(model)
    batch = make_batch([[50, 10]], 64, 64)
    unlabelled = batch | {"labels": torch.full_like(batch["labels"], -100), "num_masked": 0}
    for current in (batch, unlabelled, batch):  # DDP raises on the next forward if a gradient never arrived
        model.zero_grad()
        wrapped(current)["loss"].backward()
        assert all(parameter.grad is not None for parameter in model.parameters())


def data_spec(batches: list[dict[str, Any]]) -> DataSpec:
    return DataSpec(
        DataLoader(batches, batch_size=None),  # pyright: ignore
        get_num_samples_in_batch=lambda batch: batch["blocks"],
        get_num_tokens_in_batch=lambda batch: {
            "total": len(batch["input_ids"]),
            "loss_generating": batch["num_masked"],
        },
        split_batch=lambda batch, size: [batch],
    )


def test_composer_trains_evaluates_and_resumes(make_model: MakeModel, make_batch: MakeBatch, tmp_path: Path):
    batches = [text_like(make_batch([[40, 20], [60]], 64, 64, seed=i), i) for i in range(6)]

    def train(max_duration: str, **options: Any) -> tuple[Trainer, InMemoryLogger]:
        model = ModernBertMLM(make_model(max_len=64).config, held_out_streams=["a", "b"])
        logger = InMemoryLogger()
        trainer = Trainer(
            model=model,
            train_dataloader=data_spec(batches),
            eval_dataloader=Evaluator(label="heldout", dataloader=data_spec(batches[:2])),
            eval_interval="6ba",
            optimizers=build_stable_adamw(model, lr=1e-2),
            schedulers=TokenSchedule(lambda token: trapezoid(token, 256, 6 * 128, 256, 0.1)),
            max_duration=max_duration,
            device_train_microbatch_size=2,
            accumulate_train_batch_on_tokens=True,
            loggers=logger,
            progress_bar=False,
            device="cpu",
            **options,
        )
        trainer.fit()
        return trainer, logger

    whole, logger = train("6ba")
    evaluated = logger.get_timeseries("metrics/heldout/HeldOutLoss")["metrics/heldout/HeldOutLoss"]
    assert 0 < evaluated[-1] < 6
    last_step = trapezoid(5 * 128, 256, 6 * 128, 256, 0.1)  # Composer's schedulers lag: its first token, not its last
    assert whole.state.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-2 * last_step)

    train("3ba", save_folder=str(tmp_path), save_filename="half.pt")
    resumed, _ = train("6ba", load_path=str(tmp_path / "half.pt"))
    for key, value in whole.state.model.state_dict().items():
        torch.testing.assert_close(resumed.state.model.state_dict()[key], value, atol=1e-6, rtol=1e-5, msg=key)
