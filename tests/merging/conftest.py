"""Models on disk, small enough to write in a test: a dictionary of tensors each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mmbert_composer.checkpoints.model_weights import EMBEDDING
from mmbert_composer.merging.stored_model import StoredModel, open_stored_model


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Callable[[str, Mapping[str, Tensor]], StoredModel]]:
    """A function of (name, tensors) that writes a folder and opens it; the embedding that must be is added."""
    with ExitStack() as files:

        def save(name: str, tensors: Mapping[str, Tensor]) -> StoredModel:
            folder = tmp_path / name
            folder.mkdir()
            first = next(iter(tensors.values()))
            embedding = {EMBEDDING: torch.zeros(2, 1, dtype=first.dtype)}
            save_file({**embedding, **tensors}, folder / "model.safetensors")
            return open_stored_model(folder, files)

        yield save


@pytest.fixture
def random_models(store: Callable[..., StoredModel]) -> Callable[..., tuple[list[StoredModel], StoredModel]]:
    """A function of (count, dtype) that gives models near a base: weights of 700 and 35 numbers, integers."""

    def make(count: int, dtype: torch.dtype = torch.float32) -> tuple[list[StoredModel], StoredModel]:
        generator = torch.Generator().manual_seed(0)
        shapes = {"model.layers.0.attn.Wo.weight": (20, 35), "decoder.bias": (35,)}
        base = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        models = []
        for number in range(count):
            near = {name: t + 0.1 * torch.randn(t.shape, generator=generator) for name, t in base.items()}
            models.append(store(f"m{number}", {**_as(near, dtype), "steps": torch.tensor([7, 8])}))
        return models, store("base", {**_as(base, dtype), "steps": torch.tensor([7, 9])})

    return make


def _as(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}
