"""Changing theta changes the forward, the config and what is saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM

from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM


def test_new_theta_equals_transformers_with_that_theta(
    make_model: Callable[..., ModernBertMLM], make_batch: Callable[..., dict[str, Any]], tmp_path: Path
):
    model = make_model(global_rope_theta=10_000.0, local_rope_theta=10_000.0).eval()
    batch = make_batch([[300]], 300, 300)
    with torch.no_grad():
        before = model.packed_logits(batch)
        model.set_rope_theta(160_000.0, 40_000.0)
        after = model.packed_logits(batch)
        assert not torch.allclose(before, after, atol=1e-4)

        # transformers' own forward of the living model, of a model built with these thetas, and of a saved one.
        fresh = make_model(global_rope_theta=160_000.0, local_rope_theta=40_000.0).eval()
        model.model.save_pretrained(tmp_path)
        loaded = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
        for peer in (model.model, fresh.model, loaded):
            logits = peer(batch["input_ids"][None], attention_mask=torch.ones(1, 300)).logits[0, batch["gather"]]
            torch.testing.assert_close(after, logits, atol=1e-4, rtol=0)
    assert (loaded.config.global_rope_theta, loaded.config.local_rope_theta) == (160_000.0, 40_000.0)

    model.set_rope_theta(10_000.0, 10_000.0)
    with torch.no_grad():
        assert torch.equal(before, model.packed_logits(batch))


def test_a_theta_that_is_not_positive_is_refused(make_model: Callable[..., ModernBertMLM]):
    with pytest.raises(UserError, match=r"rope_theta: local=0\.0 must be positive"):
        make_model().set_rope_theta(10_000.0, 0.0)
