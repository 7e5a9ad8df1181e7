"""Do three ways of running one model give the same logits: packed (ours), padded, and one document at a time."""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import ModernBertConfig, ModernBertForMaskedLM

from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

# One document longer than a local window on both sides of its middle, one shorter than a window, one of 3 tokens.
_LENGTHS = (160, 40, 3)


def fixed_documents(config: ModernBertConfig, *, seed: int = 0) -> list[Tensor]:
    """Documents int64 [L], ``[BOS] random tokens [EOS]``, of at most 160 tokens and max_position_embeddings."""
    generator = torch.Generator().manual_seed(seed)
    pad, bos, eos = config.pad_token_id, config.bos_token_id, config.eos_token_id
    if pad is None or bos is None or eos is None:
        raise UserError("export: the model config needs pad_token_id, bos_token_id and eos_token_id")
    lowest = max(pad, bos, eos) + 1
    if lowest >= config.vocab_size:  # special ids at the vocabulary's end, as ModernBERT has them
        lowest = 0
    documents = []
    for length in _LENGTHS:
        size = min(length, config.max_position_embeddings)
        tokens = torch.randint(lowest, config.vocab_size, (size,), generator=generator)
        tokens[0], tokens[-1] = bos, eos
        documents.append(tokens)
    return documents


@torch.no_grad()
def packed_logits(model: ModernBertMLM, documents: list[Tensor]) -> list[Tensor]:
    """Logits [L, V] of each document from our forward, all documents packed into one row."""
    lengths = [len(document) for document in documents]
    input_ids = torch.cat(documents)
    ends = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    batch = {
        "input_ids": input_ids,
        "cu_seqlens": ends,
        "max_seqlen": max(lengths),
        "gather": torch.arange(len(input_ids)),
    }
    return list(model.eval().packed_logits(batch).split(lengths))


@torch.no_grad()
def padded_logits(model: ModernBertForMaskedLM, documents: list[Tensor]) -> list[Tensor]:
    """Logits [L, V] of each document from transformers' forward, padded to one batch."""
    pad = float(model.config.pad_token_id or 0)
    input_ids = torch.nn.utils.rnn.pad_sequence(documents, batch_first=True, padding_value=pad)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(document) for document in documents], batch_first=True)
    logits = model.eval()(input_ids=input_ids, attention_mask=mask).logits
    return [row[: len(document)] for row, document in zip(logits, documents, strict=True)]


@torch.no_grad()
def single_logits(model: ModernBertForMaskedLM, documents: list[Tensor]) -> list[Tensor]:
    """Logits [L, V] of each document from transformers' forward, one at a time."""
    return [model.eval()(input_ids=document[None]).logits[0] for document in documents]


def largest_difference(one: list[Tensor], other: list[Tensor]) -> float:
    """Largest absolute difference of any logit; infinite where either is not finite."""
    difference = max(float((a.float() - b.float()).abs().max()) for a, b in zip(one, other, strict=True))
    return difference if difference == difference else float("inf")


def compare_logits(trained: ModernBertMLM, reloaded: ModernBertForMaskedLM) -> Mapping[str, float]:
    """Largest logit differences between the trained model, packed, and the reloaded one, padded and alone.

    Keys: ``padded`` and ``alone`` (both against packed), ``scale`` (the largest logit there is).
    """
    documents = fixed_documents(reloaded.config)
    packed = packed_logits(trained, documents)
    return {
        "padded": largest_difference(packed, padded_logits(reloaded, documents)),
        "alone": largest_difference(packed, single_logits(reloaded, documents)),
        "scale": max(float(logits.abs().max()) for logits in packed),
    }
