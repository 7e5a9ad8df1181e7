"""Our model and transformers' own, around the same weights, and one training step of either."""

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import ModernBertConfig, ModernBertForMaskedLM
from transformers.modeling_utils import no_init_weights

from benchmarks.step.documents import BOS, EOS, MASK, PAD, Document, packed_batch, padded_batch
from mmbert_composer.models import ModernBertMLM, build_config


@dataclass(frozen=True)
class ModelShape:
    """What decides the cost of a model; the layers' windows and activations are ModernBERT's."""

    hidden_size: int
    num_hidden_layers: int
    intermediate_size: int
    num_attention_heads: int

    def config(self, vocab_size: int, longest: int) -> ModernBertConfig:
        theta = {"global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0}
        special = {"pad": PAD, "eos": EOS, "bos": BOS, "unk": 3, "mask": MASK}
        return build_config({**vars(self), **theta}, vocab_size, special, longest)


@dataclass(frozen=True)
class Device:
    """Where steps run and in which type: fp32, or bf16 by autocast around the forward pass."""

    name: str = "cpu"
    bf16: bool = False

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.name, torch.bfloat16) if self.bf16 else contextlib.nullcontext()

    def move(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value.to(self.name) if isinstance(value, Tensor) else value for key, value in batch.items()}


class Contender(Protocol):
    """Something that trains on documents."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def device(self) -> Device: ...

    def batch(self, documents: Sequence[Document]) -> dict[str, Any]: ...

    def loss(self, batch: Mapping[str, Any]) -> Tensor: ...


def step(contender: Contender, batch: Mapping[str, Any]) -> None:
    """Forward, loss, backward, zero_grad."""
    contender.loss(batch).backward()
    contender.model.zero_grad()


class Ours:
    """``ModernBertMLM`` on documents packed into one block."""

    def __init__(
        self,
        config: ModernBertConfig,
        block_size: int,
        mask_ratio: float,
        longest: int,
        device: Device,
        *,
        attention: str = "auto",
        compile: Any = "auto",
    ) -> None:
        self.model = ModernBertMLM(config, attention=attention, compile=compile).train()
        self.model.to(device.name)
        self.device = device
        self.block_size, self.longest = block_size, longest
        self.rows = max(1, int(mask_ratio * block_size + 0.5))

    def batch(self, documents: Sequence[Document]) -> dict[str, Any]:
        return self.blocks([documents])

    def blocks(self, blocks: Sequence[Sequence[Document]]) -> dict[str, Any]:
        return self.device.move(packed_batch(blocks, self.block_size, self.rows, self.longest))

    def loss(self, batch: Mapping[str, Any]) -> Tensor:
        with self.device.autocast():
            return self.model(batch)["loss"]


class Peer:
    """transformers' ``ModernBertForMaskedLM`` on padded rows, with the weights of ``ours`` in the same memory."""

    def __init__(self, ours: Ours, *, sparse: bool, attention: str = "sdpa", compile: bool = False) -> None:
        config = copy.deepcopy(ours.model.config)
        config.sparse_prediction = sparse
        config.reference_compile = compile
        with no_init_weights():
            self.model = ModernBertForMaskedLM._from_config(config, attn_implementation=attention)
        nn.Module.to(self.model, ours.device.name)
        self.model.load_state_dict(ours.model.model.state_dict(), assign=True)
        self.model.tie_weights()
        self.model.train()
        self.device = ours.device

    def batch(self, documents: Sequence[Document]) -> dict[str, Any]:
        return self.device.move(padded_batch(documents))

    def loss(self, batch: Mapping[str, Any]) -> Tensor:
        with self.device.autocast():
            return self.model(**batch).loss
