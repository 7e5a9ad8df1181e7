"""The masked language model that Composer trains: transformers' ModernBERT parameters, our packed forward.

Legend: T packed tokens, B blocks, M rows whose logits are needed (a static number a block), V vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from composer.models import ComposerModel
from torch import Tensor, nn
from torch.nn.functional import linear
from torchmetrics import Metric
from transformers import ModernBertConfig, ModernBertForMaskedLM
from transformers.modeling_utils import no_init_weights
from transformers.models.modernbert.modeling_modernbert import ModernBertEncoderLayer

from mmbert_composer.models.attention.packed_attention import check_backend
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.compile_layers import EAGER, Compile, LayerFunctions, check_compile, layer_functions
from mmbert_composer.models.held_out_accuracy import HeldOutAccuracy
from mmbert_composer.models.held_out_loss import HeldOutLoss
from mmbert_composer.models.linear_cross_entropy import IGNORE, linear_cross_entropy
from mmbert_composer.models.megatron_init import megatron_init
from mmbert_composer.models.packed_encoder import encode_packed
from mmbert_composer.models.rope_theta import set_rope_theta


class ModernBertMLM(ComposerModel):
    """ModernBERT over packed batches.

    Parameters live in ``self.model``, a transformers ``ModernBertForMaskedLM``: state-dict keys are "model." plus
    transformers' names, and ``self.model.save_pretrained`` writes a model that transformers loads.

    A batch is a dict: ``input_ids`` int64 [T], ``cu_seqlens`` int32 [S + 1] ending at T, ``max_seqlen`` int,
    ``gather`` int64 [M] (flat positions; unused rows point anywhere), ``labels`` int64 [M] (-100 in unused rows),
    ``num_masked`` int, ``blocks`` int, ``streams`` int64 [B] (for held-out metrics).

    Args:
        config: see ``build_config``.
        attention: backend of ``packed_attention``.
        attention_out_dropout: probability of dropping what the attention output projection writes (transformers'
            ``attention_dropout``, which drops probabilities as well, stays 0). None takes the config's.
        compile: ``auto`` compiles the layers on CUDA, True everywhere, False nowhere; training steps alone, so that
            held-out losses are the same numbers either way.
        z_loss: weight of the mean squared log-partition, 0 for none; see ``linear_cross_entropy``.
        autocast: type to autocast matrix products to in ``forward``, for a CPU with bf16 instructions; on a GPU
            Composer's precision does it.
        activation_checkpointing: keep each layer's input alone and compute the layer again in the backward pass.
        held_out_streams: names of the held-out streams, in the order of the numbers in ``batch["streams"]``.
        init_seed: of the Megatron initialisation.
    """

    def __init__(
        self,
        config: ModernBertConfig,
        *,
        attention: str = "auto",
        attention_out_dropout: float | None = None,
        compile: Compile = "auto",
        z_loss: float = 0.0,
        activation_checkpointing: bool = False,
        autocast: torch.dtype | None = None,
        held_out_streams: Sequence[str] = (),
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        check_backend(attention, config.hidden_size // config.num_attention_heads)
        check_compile(compile)
        if attention_out_dropout is None:
            attention_out_dropout = getattr(config, "attention_out_dropout", 0.0)
        config.attention_out_dropout = attention_out_dropout
        config._attn_implementation = "sdpa"  # rotary modules with plain buffers, on every machine
        self.attention = attention
        self.compile_layers: Compile = compile
        self.z_loss = z_loss
        self.activation_checkpointing = activation_checkpointing
        self.autocast = autocast
        self._layer_functions: LayerFunctions | None = None
        self.held_out_streams = tuple(held_out_streams)
        with no_init_weights():
            self.model = ModernBertForMaskedLM(config)
        self.model.tie_weights()
        megatron_init(self.model, init_seed)
        for layer in self.model.model.layers:
            attn = cast(ModernBertEncoderLayer, layer).attn
            attn.out_drop = nn.Dropout(attention_out_dropout) if attention_out_dropout else nn.Identity()

    @property
    def config(self) -> ModernBertConfig:
        """The transformers config: written by exports, kept up to date by ``set_rope_theta``."""
        return self.model.config

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Loss of a micro-batch; computed here and not in ``loss``, which Composer calls outside of DDP.

        Returns:
            ``loss`` [] (mean over labels that are not -100; 0 with finite gradients if there are none), ``correct``
            int64 [], ``num_masked`` int, and in eval mode ``row_loss`` and ``row_correct`` [M], 0 in unused rows.
        """
        if self.autocast is None:
            return self._forward(batch)
        with torch.autocast(batch["input_ids"].device.type, self.autocast):
            return self._forward(batch)

    def _forward(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        gather, labels = batch["gather"], batch["labels"]
        used = None
        if labels.device.type == "cpu":  # no shape to keep static, no synchronisation to avoid: skip unused rows
            used = (labels != IGNORE).nonzero().squeeze(1)
            gather, labels = gather[used], labels[used]
        hidden, weight = self._head(batch, gather)
        z_loss = self.z_loss if self.training else 0.0
        loss, row_loss, correct = linear_cross_entropy(
            hidden, weight, self.model.decoder.bias, labels, z_loss=z_loss, with_rows=not self.training
        )
        outputs = {"loss": loss, "correct": correct.sum(), "num_masked": batch["num_masked"]}
        if not self.training:
            rows = batch["labels"].shape
            outputs["row_loss"] = row_loss if used is None else row_loss.new_zeros(rows).index_copy_(0, used, row_loss)
            outputs["row_correct"] = correct if used is None else correct.new_zeros(rows).index_copy_(0, used, correct)
        return outputs

    def packed_logits(self, batch: Mapping[str, Any]) -> Tensor:
        """Logits [M, V] of the gathered rows, all at once: for comparisons and for looking, not for training."""
        hidden, weight = self._head(batch, batch["gather"])
        return linear(hidden, weight, self.model.decoder.bias)

    def _head(self, batch: Mapping[str, Any], gather: Tensor) -> tuple[Tensor, Tensor]:
        """What the decoder multiplies: hidden [M, D] of the gathered rows, and its weight [V, D]."""
        input_ids = batch["input_ids"]
        layout = PackedLayout(batch["cu_seqlens"], batch["max_seqlen"], input_ids.shape[0])
        functions, recompute = EAGER, False
        if self.training and torch.is_grad_enabled():
            recompute = self.activation_checkpointing
            if self._layer_functions is None:
                self._layer_functions = layer_functions(self.model.model, self.compile_layers, input_ids.device)
            functions = self._layer_functions
        hidden, weight = encode_packed(self.model.model, input_ids, layout, self.attention, functions, recompute)
        if not self.config.tie_word_embeddings:
            weight = self.model.decoder.weight
        return self.model.head(hidden.index_select(0, gather)), weight

    def loss(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> Tensor:  # pyright: ignore
        """The loss that ``forward`` computed."""
        return outputs["loss"]

    def eval_forward(self, batch: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """``forward`` unless its outputs are there already."""
        return self.forward(batch) if outputs is None else outputs

    def get_metrics(self, is_train: bool) -> dict[str, Metric]:
        """Held-out loss and accuracy; none in training, where the outputs carry both."""
        if is_train:
            return {}
        return {
            "HeldOutLoss": HeldOutLoss(self.held_out_streams),
            "HeldOutAccuracy": HeldOutAccuracy(self.held_out_streams),
        }

    def update_metric(self, batch: Mapping[str, Any], outputs: Mapping[str, Any], metric: Metric) -> None:
        """Add one evaluated batch to a metric."""
        metric.update(batch, outputs)

    def set_rope_theta(self, global_theta: float, local_theta: float) -> None:
        """Change the base of the rotary embeddings from the next forward on, in the config as well."""
        set_rope_theta(self.model, global_theta, local_theta)
