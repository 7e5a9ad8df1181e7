"""Any transformers encoder with its tokenizer: from a folder, or by a hub name where there is a connection."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerFast

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.read_tokenizer import read_tokenizer

# Positions count from the padding id on: a model of 514 takes 512 tokens.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert")


@dataclass(frozen=True)
class Encoder:
    """A model in eval mode with its tokenizer; ``max_length``: the longest input in tokens, specials included."""

    name: str
    model: Any
    tokenizer: PreTrainedTokenizerFast
    max_length: int

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def length(self, wanted: int) -> int:
        """``wanted`` tokens, or a UserError where the model takes fewer."""
        if wanted > self.max_length:
            raise UserError(f"max_length={wanted}: {self.name} takes at most {self.max_length} tokens")
        return wanted


def load_encoder(
    model: str | Path, head: Literal["none", "mlm"] = "none", device: str | torch.device | None = None
) -> Encoder:
    """The encoder in folder ``model`` (or of that hub name), with its masked-LM head where ``head`` says so.

    ``device``: None takes the GPU where there is one. Raises UserError for a folder that is no model, a tokenizer
    without a pad token, and a model without a masked-LM head where one is needed.
    """
    name = str(model)
    try:
        config = AutoConfig.from_pretrained(name)
        tokenizer = read_tokenizer(name)
    except (OSError, ValueError, KeyError) as error:
        where = "" if Path(name).is_dir() else f"there is no folder {name}, and as a hub name: "
        raise UserError(f"no model {name}: {where}{str(error).splitlines()[0]}") from None
    if tokenizer.pad_token_id is None:
        raise UserError(f"{name}: its tokenizer has no pad token; set one in tokenizer_config.json")
    if not tokenizer.is_fast:
        raise UserError(f"{name}: its tokenizer has no tokenizer.json (a fast tokenizer is needed)")
    if getattr(config, "reference_compile", False) is None:
        config.reference_compile = False  # batches have many shapes
    try:
        loader = AutoModel if head == "none" else AutoModelForMaskedLM
        loaded = loader.from_pretrained(name, config=config)
    except (OSError, ValueError) as error:
        raise UserError(f"no {'encoder' if head == 'none' else 'masked-LM head'} in {name}: {error}") from None
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Encoder(name, loaded.eval().to(device), tokenizer, longest_input(config, tokenizer))


def longest_input(config: Any, tokenizer: Any) -> int:
    """Tokens that a model takes at once, its special tokens included."""
    positions = getattr(config, "max_position_embeddings", None) or 512
    if config.model_type in _OFFSET_POSITIONS:
        positions -= (config.pad_token_id or 0) + 1
    return min(positions, tokenizer.model_max_length)


def accepted_inputs(model: Any, tokenizer: Any) -> list[str]:
    """The tokenizer's outputs that the model's ``forward`` takes: ModernBERT has no token_type_ids."""
    taken = inspect.signature(model.forward).parameters
    return [name for name in tokenizer.model_input_names if name in taken]
