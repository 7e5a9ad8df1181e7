"""The encoders of the throughput figure, with random weights, made from configs: nothing is loaded.

Shapes: mmBERT (arXiv:2509.06888), XLM-R base, Multilingual-MiniLM-L12-H384 and mDistilBERT as their config.json say.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ModernBertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)
from transformers.modeling_utils import no_init_weights

from benchmarks.step.contenders import ModelShape
from mmbert_composer.models import ModernBertMLM

PAD = 0

MMBERT = {
    "mmbert-small": ModelShape(hidden_size=384, num_hidden_layers=22, intermediate_size=1152, num_attention_heads=6),
    "mmbert-base": ModelShape(hidden_size=768, num_hidden_layers=22, intermediate_size=1152, num_attention_heads=12),
}

LEFT_OUT = ("mGTE (gte-multilingual) and EuroBERT left out: transformers 4.57 has neither, only code on the hub",)


class Encoder(Protocol):
    """Documents to hidden states."""

    longest: int
    """Tokens of a sequence that it can take."""

    def batch(self, documents: Sequence[Tensor]) -> dict[str, Any]: ...

    def encode(self, batch: Mapping[str, Any]) -> Tensor: ...


class Packed:
    """Ours: documents one after another, hidden states [T, D] of every token."""

    def __init__(self, shape: ModelShape, vocab_size: int, longest: int, *, attention: str, device: str) -> None:
        config = shape.config(vocab_size, longest)
        self.model = _ready(ModernBertMLM(config, attention=attention), device)
        self.encoder = cast(ModernBertModel, self.model.model.model)
        # The head is not what the figure measures: one row and one logit are left of it, and the encoder's output is
        # taken where it leaves the final norm.
        self.model.config.tie_word_embeddings = False
        cast(Any, self.model.model).head = nn.Identity()
        cast(Any, self.model.model).decoder = _ready(nn.Linear(shape.hidden_size, 1), device)
        self.encoder.final_norm.register_forward_hook(self._keep)
        self._hidden = torch.empty(0)
        self.device, self.longest = device, longest

    def batch(self, documents: Sequence[Tensor]) -> dict[str, Any]:
        lengths = torch.tensor([0, *map(len, documents)])
        num_tokens = int(lengths.sum())
        return {
            "input_ids": torch.cat(list(documents)).to(self.device),
            "cu_seqlens": lengths.cumsum(0).to(self.device, torch.int32),
            "max_seqlen": self.longest,
            "gather": torch.zeros(1, dtype=torch.long, device=self.device),
            "labels": torch.full((1,), -100, device=self.device),
            "num_masked": 0,
            "tokens_real": num_tokens,
            "blocks": 1,
            "sequences": len(documents),
            "streams": torch.zeros(1, dtype=torch.long, device=self.device),
        }

    def encode(self, batch: Mapping[str, Any]) -> Tensor:
        self.model.packed_logits(batch)
        hidden, self._hidden = self._hidden, torch.empty(0)
        return hidden

    def _keep(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self._hidden = output


class Padded:
    """A model of transformers: rows padded to the batch's longest, hidden states [B, L, D]."""

    def __init__(self, model: nn.Module, *, longest: int, device: str) -> None:
        self.model = _ready(model, device)
        self.device, self.longest = device, longest

    def batch(self, documents: Sequence[Tensor]) -> dict[str, Any]:
        ids = nn.utils.rnn.pad_sequence(list(documents), batch_first=True, padding_value=PAD)
        real = nn.utils.rnn.pad_sequence([torch.ones_like(document) for document in documents], batch_first=True)
        return {"input_ids": ids.to(self.device), "attention_mask": real.to(self.device)}

    def encode(self, batch: Mapping[str, Any]) -> Tensor:
        return self.model(**batch).last_hidden_state


def transformers_twin(ours: Packed) -> Padded:
    """transformers' ModernBertModel around the weights of ``ours``, with sdpa."""
    config = copy.deepcopy(ours.model.config)
    with no_init_weights():
        model = cast(nn.Module, ModernBertModel._from_config(config, attn_implementation="sdpa"))
    model.load_state_dict(ours.encoder.state_dict(), assign=True)
    return Padded(model, longest=ours.longest, device=ours.device)


def mmbert(
    shapes: Mapping[str, ModelShape], vocab_size: int, longest: int, *, attention: str, device: str
) -> dict[str, Encoder]:
    """Ours and transformers' own around the same weights, by name."""
    encoders: dict[str, Encoder] = {}
    for name, shape in shapes.items():
        ours = Packed(shape, vocab_size, longest, attention=attention, device=device)
        encoders |= {name: ours, f"{name}-transformers": transformers_twin(ours)}
    return encoders


def others(device: str, *, tiny: bool = False) -> dict[str, Padded]:
    """The older multilingual encoders; ``tiny`` keeps their kind and shrinks every size."""
    few = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    small: dict[str, Any] = {"vocab_size": 512, **few} if tiny else {}
    sizes: dict[str, Any] = {"vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1, **small}
    roberta = XLMRobertaConfig(**sizes)
    narrow = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1536}
    sizes = {"vocab_size": 250_037, **narrow, **small}
    bert = BertConfig(**sizes)
    small = {"vocab_size": 512, "n_layers": 2, "dim": 32, "hidden_dim": 64, "n_heads": 2} if tiny else {}
    sizes = {"vocab_size": 119_547, **small}
    distil = DistilBertConfig(**sizes)
    models = {
        "xlm-r-base": lambda: XLMRobertaModel._from_config(roberta, attn_implementation="sdpa"),
        "minilm": lambda: BertModel._from_config(bert, attn_implementation="sdpa"),
        "mdistilbert": lambda: DistilBertModel._from_config(distil, attn_implementation="sdpa"),
    }
    return {name: Padded(make(), longest=512, device=device) for name, make in models.items()}


def _ready(model: nn.Module, device: str) -> Any:
    """In eval mode on the device; parameters in bf16 on a GPU, buffers (rotary frequencies) as they are."""
    nn.Module.to(model.eval(), device)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        if device == "cuda":
            parameter.data = parameter.data.to(torch.bfloat16)
    return model
