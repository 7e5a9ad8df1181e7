"""Compiled layers: the same numbers, one compilation for all of them, and a way back."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from mmbert_composer.errors import UserError
from mmbert_composer.models import compile_layers
from mmbert_composer.models.attention import choose_backend
from mmbert_composer.models.attention.backend import BACKENDS
from mmbert_composer.models.compile_layers import EAGER, layer_functions
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

MakeModel = Callable[..., ModernBertMLM]
MakeBatch = Callable[..., dict[str, Any]]
CPU = torch.device("cpu")


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[CompileCounter]:
    """torch.compile with a backend that runs the captured graphs as they are and counts them."""
    counter, compile = CompileCounter(), torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: compile(function, backend=counter, **options))
    torch._dynamo.reset()
    yield counter
    torch._dynamo.reset()


def gradients(model: ModernBertMLM, batch: dict[str, Any]) -> list[torch.Tensor]:
    return list(torch.autograd.grad(model(batch)["loss"], list(model.parameters())))


def test_losses_and_gradients_are_those_of_the_eager_layers(
    make_model: MakeModel, make_batch: MakeBatch, counter: CompileCounter
):
    batch = make_batch([[200, 3, 53], [256]], 256, 256)
    eager = make_model()
    compiled = ModernBertMLM(eager.config, compile=True)
    assert torch.equal(eager(batch)["loss"], compiled(batch)["loss"])
    assert counter.frame_count > 0
    for ours, theirs in zip(gradients(compiled, batch), gradients(eager, batch), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_nothing_is_compiled_again_inside_a_phase(
    make_model: MakeModel, make_batch: MakeBatch, counter: CompileCounter
):
    model = make_model(compile=True)
    model(make_batch([[256], [256]], 256, 256))["loss"].backward()
    # The trial compiles both functions for its few tokens; then: before and after attention, and once more before
    # it for layer 0, which has no first norm.
    assert counter.frame_count == 2 + 3
    for lengths in ([[3, 200], [256]], [[50] * 5, [1, 2]], [[256], [9]]):
        model(make_batch(lengths, 256, 256))["loss"].backward()
    model.set_rope_theta(160_000, 10_000)
    model(make_batch([[256], [256]], 256, 256))["loss"].backward()
    assert counter.frame_count == 2 + 3
    model.eval()(make_batch([[256], [256]], 256, 256))
    assert counter.frame_count == 2 + 3, "held-out losses come from the eager layers"


@pytest.mark.slow  # the real compiler, and a C compiler behind it
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_compiled_by_the_real_compiler(make_model: MakeModel, make_batch: MakeBatch, dtype: torch.dtype | None):
    batch = make_batch([[200, 3, 53], [256]], 256, 256)
    eager, compiled = (
        ModernBertMLM(make_model().config, compile=compile, autocast=dtype, attention_out_dropout=0.0)
        for compile in (False, True)
    )
    tolerance = {"atol": 1e-5, "rtol": 1e-3} if dtype is None else {"atol": 2e-2, "rtol": 5e-2}
    torch.testing.assert_close(compiled(batch)["loss"], eager(batch)["loss"], **tolerance)
    for ours, theirs in zip(gradients(compiled, batch), gradients(eager, batch), strict=True):
        torch.testing.assert_close(ours, theirs, **tolerance)
    torch._dynamo.reset()


def test_more_models_in_a_process_than_torch_compiles_of_one_function(
    make_model: MakeModel, make_batch: MakeBatch, counter: CompileCounter
):
    for size in range(64, 64 + 6 * 8, 8):
        model = make_model(compile=True)
        assert torch.isfinite(model(make_batch([[size]], size, size))["loss"])


def test_auto_stays_eager_on_a_cpu(make_model: MakeModel):
    assert layer_functions(make_model().model.model, "auto", CPU) is EAGER
    assert layer_functions(make_model().model.model, False, torch.device("cuda")) is EAGER


def test_where_compiling_fails(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, caplog: Any):
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no C compiler here")

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: compile(function, backend=broken, **options))
    model = make_model().model.model
    with pytest.raises(UserError, match=r"model\.compile=true, but compiling fails here .*no C compiler here"):
        layer_functions(model, True, CPU)
    # "auto" with a device that compiles; the model lies on the CPU all the same.
    monkeypatch.setattr(compile_layers, "_compiles_by_itself", lambda device: True)
    with caplog.at_level(logging.WARNING):
        assert layer_functions(model, "auto", CPU) is EAGER
    assert "they run eagerly" in caplog.text
    torch._dynamo.reset()


def test_the_trial_leaves_the_generator_alone(make_model: MakeModel, counter: CompileCounter):
    model = make_model(attention_out_dropout=0.5, compile=True).train()
    torch.manual_seed(3)
    layer_functions(model.model.model, True, CPU)
    after = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(2))
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("is_kernel", [False, True])  # a kernel is tried out inside the first layer
def test_recomputed_layers_give_the_same_gradients(
    make_model: MakeModel, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch, is_kernel: bool
):
    monkeypatch.setitem(BACKENDS, "sdpa", BACKENDS["sdpa"]._replace(is_kernel=is_kernel))
    monkeypatch.setattr(choose_backend, "_chosen", {})
    batch = make_batch([[200, 3, 53], [256]], 256, 256)
    results = []
    for recompute in (False, True):
        model = make_model(attention="sdpa", attention_out_dropout=0.2, activation_checkpointing=recompute).train()
        torch.manual_seed(1)  # the dropped elements are the same ones the second time
        results.append(gradients(model, batch))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
