"""The optimizer section of a YAML."""

from typing import Any

import optimi
import pytest
import torch
from torch import nn

from mmbert_composer.errors import UserError
from mmbert_composer.optim.build_optimizer import build_optimizer, check_optimizer


def test_stable_adamw_with_the_recipe_s_defaults():
    optimizer = build_optimizer(nn.Linear(2, 2), {"name": "stable_adamw", "lr": 8e-4})
    assert isinstance(optimizer, optimi.StableAdamW)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["max_lr"], group["weight_decay"]) == (8e-4, 8e-4, 8e-5)
    assert group["decouple_lr"]


def test_adamw_with_options():
    options = {"name": "adamw", "lr": 1e-3, "betas": [0.8, 0.9], "weight_decay": 0.1}
    optimizer = build_optimizer(nn.Linear(2, 2), options)
    assert isinstance(optimizer, torch.optim.AdamW)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "adam", "lr": 1.0}, "optimizer.name='adam' is no optimizer: choose one of stable_adamw, adamw"),
        ({"lr": 1.0}, "optimizer.name=None is no optimizer"),
        ({"name": "adamw"}, "optimizer.lr is missing"),
        ({"name": "adamw", "lr": 1.0, "beta": [0, 0]}, "optimizer.beta is no key of adamw: did you mean betas?"),
        ({"name": "adamw", "lr": 1.0, "zzz": 1}, "known are betas, eps, lr, weight_decay"),
        ({"name": "adamw", "lr": "8e-4"}, "optimizer.lr='8e-4' must be a number of at least 0"),
        ({"name": "adamw", "lr": 1.0, "betas": [0.9]}, r"optimizer.betas=\[0.9\] must be two numbers in \[0, 1\)"),
    ],
)
def test_bad_sections_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        check_optimizer(options)
