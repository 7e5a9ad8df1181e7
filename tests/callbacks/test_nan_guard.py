"""Bad steps in real training: a hook on the model spoils the loss or a gradient of one micro-batch of one step."""

import copy

import pytest
import torch
from composer import Trainer
from composer.core import Callback
from composer.loggers import InMemoryLogger

from mmbert_composer.callbacks.nan_guard import FIRST, NanGuard
from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.config import parse_run_config
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_config import build_config
from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.optim import build_stable_adamw
from mmbert_composer.train import main
from tests.conftest import read_jsonl
from tests.test_train import rows_of


class Spoil(Callback):
    """Multiplies the loss (or a weight's gradient) of a micro-batch (step, number) and looks at every step's end."""

    def __init__(self, model, factors, what="loss"):
        self.factors, self.what = factors, what
        self.place = (0, 0)
        self.events, self.blocks, self.weights = [], {}, []
        model.register_forward_hook(self._spoil)
        next(model.parameters()).register_hook(lambda gradient: gradient * self._factor("gradient"))

    def _factor(self, what):
        return self.factors.get(self.place, 1.0) if what == self.what else 1.0

    def _spoil(self, model, inputs, outputs):
        if model.training:
            outputs["loss"] = outputs["loss"] * self._factor("loss")

    def batch_start(self, state, logger):
        self.place = (int(state.timestamp.batch) + 1, -1)
        names = state.train_dataloader.dataset.plan.streams
        self.blocks[self.place[0]] = [
            [(names[int(s)], int(i), int(v)) for s, i, v in zip(blocks.stream, blocks.index, blocks.visit, strict=True)]
            for blocks in state.train_dataloader.served
        ]

    def before_forward(self, state, logger):
        self.place = (self.place[0], self.place[1] + 1)

    def batch_end(self, state, logger):
        moments = copy.deepcopy(state.optimizers[0].state_dict())
        weights = {name: value.clone() for name, value in state.model.state_dict().items()}
        self.weights.append((weights, moments))


class Keep(InMemoryLogger):
    """Keeps events, as MetricsLog writes them."""

    def __init__(self):
        super().__init__()
        self.events = []

    def log_event(self, row):
        self.events.append(row)


@pytest.fixture
def train(settings, tiny_data):
    """Trains the tiny model for some steps with a guard; gives what was seen and the guard's events."""

    def train(guard, factors, what="loss", tokens=1536, optimizer=build_stable_adamw):
        curriculum = parse_run_config(settings).curriculum
        dataset = AnnealedDataset(tiny_data, curriculum, seed=3, batch_size=2)
        loader = AnnealedLoader(dataset, global_batch_size=4, max_seq_len=32)
        model = ModernBertMLM(
            build_config(settings["model"], dataset.manifest.vocab_size, dataset.manifest.special_ids, 64)
        )
        spoil, keep = Spoil(model, factors, what), Keep()
        trainer = Trainer(
            model=model,
            train_dataloader=loader.data_spec(),
            optimizers=optimizer(model, lr=1e-3),
            max_duration=f"{tokens}tok",
            callbacks=[guard, spoil],
            loggers=[keep],
            device_train_microbatch_size=2,
            accumulate_train_batch_on_tokens=True,
            progress_bar=False,
        )
        error = None
        try:
            trainer.fit()
        except UserError as raised:
            error = str(raised)
        trainer.close()
        return spoil, keep, error

    return train


def same(one, other):
    (weights, moments), (other_weights, other_moments) = one, other
    equal = all(torch.equal(weights[name], other_weights[name]) for name in weights)
    for group, other_group in zip(moments["param_groups"], other_moments["param_groups"], strict=True):
        equal &= int(group["step"]) == int(other_group["step"])
    for number in moments["state"]:
        equal &= torch.equal(moments["state"][number]["exp_avg"], other_moments["state"][number]["exp_avg"])
    return equal


@pytest.mark.parametrize(
    ("factor", "what", "reason"),
    [
        (float("nan"), "loss", "the loss is nan"),
        (float("inf"), "loss", "the loss is inf"),
        (float("nan"), "gradient", "the gradient's norm is nan"),
    ],
)
def test_a_bad_step_is_skipped(train, factor, what, reason):
    guard = NanGuard(skip=1)
    spoil, keep, error = train(guard, {(3, 1): factor}, what)
    assert error is None
    assert len(spoil.weights) == 6  # the clock moved on
    changes = [not same(before, after) for before, after in zip(spoil.weights, spoil.weights[1:], strict=False)]
    assert changes == [True, False, True, True, True]  # step 3 left weights, moments and step counts as they were
    (event,) = keep.events
    assert (event["event"], event["batch"], event["reason"], event["skipped"]) == ("bad_step", 3, reason, True)
    first, second = spoil.blocks[3]
    assert event["samples"] == second if what == "loss" else sorted(event["samples"]) == sorted([*first, *second])
    assert [value for _, value in keep.data["nan_guard/skipped"]] == [0, 0, 1, 1, 1, 1]
    assert torch.isfinite(torch.tensor(guard.losses)).all()
    assert len(guard.losses) == 5
    again = NanGuard(skip=1)
    again.load_state_dict(guard.state_dict())
    assert (again.skipped, again.total, again.losses) == ([3], 1, guard.losses)


def test_one_too_many_stops_and_names_the_blocks(train):
    spoil, keep, error = train(NanGuard(skip=1), {(2, 0): float("nan"), (5, 0): float("nan")})
    ((name, index, visit), *_) = spoil.blocks[5][0]
    assert error.startswith(f"step 5: the loss is nan; trained on {name} block {index} (visit {visit}), ")
    assert "1 of callbacks.nan_guard.skip=1 steps were skipped before, so the run stops" in error
    assert len(spoil.weights) == 4
    assert [event["skipped"] for event in keep.events] == [True, False]
    _, _, error = train(NanGuard(skip=1, within=3), {(2, 0): float("nan"), (5, 0): float("nan")})
    assert error is None  # the first is long ago


def test_a_spike_is_measured_by_the_median(train, settings):
    settings["curriculum"]["phases"][0]["duration"] = "12_288tok"
    factors = {(FIRST - 2, 0): 50.0, (FIRST + 4, 1): 50.0}  # before there is enough to compare with, and after
    spoil, keep, error = train(NanGuard(skip=5, spike=3), factors, tokens=(FIRST + 6) * 256)
    assert error is None
    (event,) = keep.events
    assert event["batch"] == FIRST + 4
    assert "more than 3 times the median" in event["reason"]
    assert sorted(event["samples"][:2]) == sorted(spoil.blocks[FIRST + 4][1])  # the worst micro-batch first
    assert len(event["samples"]) == 4


def test_an_optimizer_of_torch_is_skipped_as_well(train):
    def adamw(model, lr):
        return torch.optim.AdamW(model.parameters(), lr=lr)

    spoil, _, error = train(NanGuard(skip=1), {(2, 0): float("nan")}, tokens=768, optimizer=adamw)
    assert error is None
    states = [weights for weights, _ in spoil.weights]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[1][name], states[2][name]) for name in states[0])


def test_a_run_stops_with_code_1_and_goes_on_from_before(settings, yaml_of, tmp_path, monkeypatch, capsys):
    settings["callbacks"]["nan_guard"] = {}
    yaml, forward, calls = str(yaml_of(settings)), ModernBertMLM._forward, []

    def spoiled(self, batch):
        outputs = forward(self, batch)
        calls.append(self.training)
        return outputs | {"loss": outputs["loss"] * (float("nan") if sum(calls) == 10 else 1.0)}

    monkeypatch.setattr(ModernBertMLM, "_forward", spoiled)
    assert main([yaml]) == 1
    error = capsys.readouterr().err
    assert "error: step 5: the loss is nan; trained on tiny/" in error
    assert "0 of callbacks.nan_guard.skip=0 steps were skipped before" in error
    assert [file.batch for file in named_checkpoints(tmp_path / "run")] == [3]
    last = read_jsonl(tmp_path / "run" / "metrics.jsonl")[-1]
    assert (last["event"], last["batch"], last["loss"], last["skipped"]) == ("bad_step", 5, "nan", False)
    monkeypatch.undo()
    assert main([yaml, "callbacks.nan_guard.skip=1"]) == 0
    assert rows_of(tmp_path / "run")[-1]["batch"] == 28


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": -1}, "callbacks.nan_guard.skip=-1 must be a whole number, at least 0"),
        ({"skip": 1.5}, "callbacks.nan_guard.skip=1.5 must be"),
        ({"within": 0}, "callbacks.nan_guard.within=0 must be a whole number, at least 1"),
        ({"spike": 1}, "callbacks.nan_guard.spike=1 must be a factor above 1, or null"),
    ],
)
def test_options(options, message):
    with pytest.raises(UserError) as error:
        NanGuard(**options)
    assert message in str(error.value)
