"""Do three ways of running one model give the same logits: packed (ours), padded, and one document at a time."""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import ModernBertConfig, ModernBertForMaskedLM

from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

# One document longer than a local window on both sides of its middle, one shorter than a window, one of 3 tokens.
_LENGTHS = (160, 40, 3)
_ROWS = 32


def fixed_documents(config: ModernBertConfig, *, seed: int = 0) -> list[Tensor]:
    """Documents int64 [L], ``[BOS] random tokens [EOS]``, of at most 160 tokens and max_position_embeddings."""
    generator = torch.Generator().manual_seed(seed)
    pad, bos, eos = config.pad_token_id, config.bos_token_id, config.eos_token_id
    if pad is None or bos is None or eos is None:
        raise UserError("export: the model config needs pad_token_id, bos_token_id and eos_token_id")
    # Special ids are the first ones in mmBERT and the last ones in ModernBERT.
    special = torch.tensor([pad, bos, eos])
    plain = next(token for token in range(4) if token not in (pad, bos, eos))
    documents = []
    for length in _LENGTHS:
        size = min(length, config.max_position_embeddings)
        tokens = torch.randint(config.vocab_size, (size,), generator=generator)
        tokens[torch.isin(tokens, special)] = plain
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
    return [_logits(model, hidden) for hidden in _padded_hidden(model, documents)]


def _padded_hidden(model: ModernBertForMaskedLM, documents: list[Tensor]) -> list[Tensor]:
    """Encoder outputs [L, D] of each document, padded to one batch."""
    pad = float(model.config.pad_token_id or 0)
    input_ids = torch.nn.utils.rnn.pad_sequence(documents, batch_first=True, padding_value=pad)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(document) for document in documents], batch_first=True)
    hidden = model.eval().model(input_ids=input_ids, attention_mask=mask).last_hidden_state
    return [row[: len(document)] for row, document in zip(hidden, documents, strict=True)]


def _logits(model: ModernBertForMaskedLM, hidden: Tensor) -> Tensor:
    return model.decoder(model.head(hidden))


def largest_difference(one: Tensor, other: Tensor) -> float:
    """Largest absolute difference of any logit; infinite where either is not finite."""
    rows = zip(one.split(_ROWS), other.split(_ROWS), strict=True)
    differences = [float((ours.float() - theirs.float()).abs_().max()) for ours, theirs in rows]
    return max(difference if difference == difference else float("inf") for difference in differences)


@torch.no_grad()
def compare_logits(packed: list[Tensor], reloaded: ModernBertForMaskedLM) -> Mapping[str, float]:
    """Largest logit differences between our packed forward (``packed``, of ``fixed_documents``) and ``reloaded``.

    Keys: ``padded`` and ``alone`` (transformers' forward of a padded batch and of one document at a time, both against
    packed), ``scale`` (the largest logit there is). Logits of a padded batch are as large as a model when the
    vocabulary is, so those are made a few rows at a time, by the modules that transformers' forward calls.
    """
    documents = fixed_documents(reloaded.config)
    padded = max(
        largest_difference(ours[start : start + _ROWS], _logits(reloaded, hidden[start : start + _ROWS]))
        for ours, hidden in zip(packed, _padded_hidden(reloaded, documents), strict=True)
        for start in range(0, len(ours), _ROWS)
    )
    alone = max(
        largest_difference(ours, reloaded.eval()(input_ids=document[None]).logits[0])
        for ours, document in zip(packed, documents, strict=True)
    )
    return {
        "padded": padded,
        "alone": alone,
        "scale": max(float(logits.aminmax()[i].abs()) for logits in packed for i in (0, 1)),
    }
