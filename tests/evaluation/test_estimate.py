"""The estimate counts steps and tokens; what a step takes is measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmbert_composer.evaluation import estimate
from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.check_fine_tuned import check_fine_tuned
from mmbert_composer.evaluation.heads.head import Feature
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters

SPEED = estimate.Speed(step=0.5, token=0.001)
FEATURES = [Feature({"input_ids": np.zeros(100, np.int32)}, 0, row) for row in range(4)]


def test_seconds_of_tuning():
    values = Hyperparameters(epochs=2, batch_size=10)
    # 2 epochs of 20 steps of 10 x 100 tokens: 40 x (0.5 + 1.0).
    assert estimate._training_seconds(200, FEATURES, values, SPEED) == pytest.approx(60)
    bounded = replace(values, max_steps=10)
    assert estimate._training_seconds(200, FEATURES, bounded, SPEED) == pytest.approx(15)


def test_choices_are_read_one_by_one():
    choices = [replace(feature, choices=[feature.inputs] * 3) for feature in FEATURES]
    values = Hyperparameters(epochs=1, batch_size=10)
    assert estimate._training_seconds(10, choices, values, SPEED) == pytest.approx(0.5 + 3)


def test_a_step_is_measured(tiny_encoder, benchmarks):
    how = Settings(folder=Path("unused"), tasks=(BY_NAME["xquad"],), languages=("en",))
    pairs = [(how.tasks[0], check_fine_tuned(how.tasks[0], tiny_encoder, benchmarks, how))]
    assert 0 < estimate.estimate(pairs, tiny_encoder, benchmarks, how)["xquad"] < 600


def test_what_is_tuned_for_several_counts_once(tiny_encoder, benchmarks, monkeypatch):
    monkeypatch.setattr(estimate, "_speed", lambda *arguments: SPEED)
    how = Settings(folder=Path("unused"), tasks=(BY_NAME["xquad"], BY_NAME["mlqa"]), languages=("en",))
    pairs = [(task, check_fine_tuned(task, tiny_encoder, benchmarks, how)) for task in how.tasks]
    assert pairs[0][1].train_rows == {"squad": 8}
    assert pairs[0][1].test_rows == 8
    seconds = estimate.estimate(pairs, tiny_encoder, benchmarks, how)
    assert 0 < seconds["mlqa"] < seconds["xquad"]
