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


def load_encoder(
    model: str | Path,
    head: Literal["none", "mlm"] = "none",
    device: str | torch.device | None = None,
    trust_remote_code: bool = False,
) -> Encoder:
    """The encoder in folder ``model`` (or of that hub name), with its masked-LM head where ``head`` says so.

    ``device``: None takes the GPU where there is one. ``trust_remote_code``: run a model's own code.

    Raises UserError for a folder that is no model, a tokenizer without a pad token, and weights that lack a part of the
    encoder, or of the masked-LM head where one is needed: transformers would fill it with random numbers.
    """
    name = str(model)
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
        tokenizer = read_tokenizer(name, trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        where = "" if Path(name).is_dir() else f"there is no folder {name}, and as a hub name: "
        raise UserError(f"no model {name}: {where}{str(error).splitlines()[0]}") from None
    if tokenizer.pad_token_id is None:
        raise UserError(f"{name}: its tokenizer has no pad token; set one in tokenizer_config.json")
    if not tokenizer.is_fast:
        raise UserError(f"{name}: its tokenizer has no tokenizer.json (a fast tokenizer is needed)")
    options: dict[str, Any] = {"config": config}
    if config.model_type == "modernbert":
        config.reference_compile = False  # batches have many shapes
        options["attn_implementation"] = "sdpa"  # flash attention has no fp32
    what = "encoder" if head == "none" else "masked-LM head"
    try:
        loader = AutoModel if head == "none" else AutoModelForMaskedLM
        loaded, report = loader.from_pretrained(
            name, output_loading_info=True, trust_remote_code=trust_remote_code, **options
        )
    except (OSError, ValueError) as error:
        raise UserError(f"no {what} in {name}: {error}") from None
    # What no vector and no logit is made of may be absent.
    if missing := sorted(key for key in report["missing_keys"] if "pooler" not in key):
        raise UserError(f"no {what} in {name}: its weights lack {', '.join(missing[:3])}")
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
