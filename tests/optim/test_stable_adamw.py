"""Groups, update rule and state of StableAdamW."""

import copy

import pytest
import torch
from torch import nn

from mmbert_composer.optim.reset_base_lr import reset_base_lr
from mmbert_composer.optim.stable_adamw import build_stable_adamw


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))


def set_gradients(model: nn.Module, value: float) -> None:
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)


def test_matrices_are_decayed_norms_and_biases_are_not(model: nn.Module):
    decayed, rest = build_stable_adamw(model, lr=1e-3).param_groups
    assert decayed["params"] == [model[0].weight]
    assert rest["params"] == [model[0].bias, model[1].weight, model[1].bias]
    assert (decayed["weight_decay"], rest["weight_decay"]) == (8e-5, 0.0)
    assert (decayed["beta1"], decayed["beta2"], decayed["eps"]) == (0.9, 0.95, 1e-8)


def test_a_tied_weight_is_updated_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    assert len(build_stable_adamw(nn.Sequential(first, second), lr=1e-3).param_groups[0]["params"]) == 1


def test_decay_follows_the_schedule_but_not_the_peak(model: nn.Module):
    # With a zero gradient only the decay is left: 1 - weight_decay * lr / max_lr.
    optimizer = build_stable_adamw(model, lr=1e-3, weight_decay=5e-4)
    before = model[0].weight.detach().clone()
    for group in optimizer.param_groups:
        group["lr"] = 0.5e-3  # what a scheduler does
    set_gradients(model, 0.0)
    optimizer.step()
    torch.testing.assert_close(model[0].weight, before * (1 - 0.5 * 5e-4), atol=0, rtol=1e-6)


def test_update_is_clipped_when_a_gradient_jumps():
    # First step: debiased Adam moves by lr. A gradient 100 times as large has RMS g / sqrt(v) of about
    # sqrt(1 / 0.5128) (beta2 debiased to 0.4872 at step 2), by which the step is divided.
    parameter = nn.Linear(1, 1, bias=False)
    nn.init.ones_(parameter.weight)
    optimizer = build_stable_adamw(parameter, lr=0.1, weight_decay=0.0)
    parameter.weight.grad = torch.tensor([[1.0]])
    optimizer.step()
    assert parameter.weight.item() == pytest.approx(0.9, abs=1e-6)
    parameter.weight.grad = torch.tensor([[100.0]])
    optimizer.step()
    beta1 = 0.9 * (1 - 0.9) / (1 - 0.9**2)
    beta2 = 0.95 * (1 - 0.95) / (1 - 0.95**2)
    mean, square = beta1 + (1 - beta1) * 100, beta2 + (1 - beta2) * 100**2
    rms = 100 / square**0.5
    assert rms > 1
    assert parameter.weight.item() == pytest.approx(0.9 - 0.1 / rms * mean / square**0.5, abs=1e-6)


def test_state_round_trip_continues_exactly(model: nn.Module):
    optimizer = build_stable_adamw(model, lr=1e-2)
    set_gradients(model, 0.3)
    optimizer.step()
    twin = copy.deepcopy(model)
    other = build_stable_adamw(twin, lr=1e-2)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for current, its_optimizer in ((model, optimizer), (twin, other)):
        set_gradients(current, -0.1)
        its_optimizer.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_state_saved_with_triton_continues_on_a_cpu(model: nn.Module):
    optimizer = build_stable_adamw(model, lr=1e-2)
    set_gradients(model, 0.3)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    for group in state["param_groups"]:
        group["triton"] = True  # as a GPU run stores it
    optimizer.load_state_dict(state)
    set_gradients(model, 0.3)
    optimizer.step()


def test_reset_base_lr_replaces_what_a_checkpoint_restored(model: nn.Module):
    old = build_stable_adamw(model, lr=8e-4)
    torch.optim.lr_scheduler.LambdaLR(old, lambda _: 0.5)
    set_gradients(model, 0.1)
    old.step()
    new = build_stable_adamw(model, lr=1e-4)
    new.load_state_dict(copy.deepcopy(old.state_dict()))
    assert {group["max_lr"] for group in new.param_groups} == {8e-4}  # the trap

    scheduler = torch.optim.lr_scheduler.LambdaLR(new, lambda _: 0.5)
    assert scheduler.base_lrs == [8e-4, 8e-4]
    reset_base_lr(new, 1e-4, [scheduler])
    for group in new.param_groups:
        assert (group["lr"], group["initial_lr"], group["max_lr"]) == (1e-4, 1e-4, 1e-4)
    new.step()
    scheduler.step()
    assert new.param_groups[0]["lr"] == pytest.approx(0.5e-4)


def test_reset_base_lr_of_an_optimizer_without_max_lr(model: nn.Module):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    reset_base_lr(optimizer, 2e-3)
    assert optimizer.param_groups[0]["lr"] == 2e-3
    assert "max_lr" not in optimizer.param_groups[0]
