"""Rows of the embedding and the decoder's bias for the tokens that a grown tokenizer added."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbert_composer.checkpoints.model_weights import EMBEDDING
from mmbert_composer.data.spare_ids import padded_rows
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.importing.kept_ids import NewTokens
from mmbert_composer.importing.old_pieces import old_pieces

_ROWS = (EMBEDDING, "decoder.bias")
_AT_ONCE = 4096


@dataclass(frozen=True)
class RowReport:
    """Where the rows of a grown model come from, in numbers of rows."""

    before: int
    after: int
    kept: int
    """Tokens with their old rows."""
    in_padding: int
    """New tokens in rows that were there without a token."""
    in_placeholders: int
    """New tokens in rows of placeholders."""
    in_new_rows: int
    """New tokens in rows that were not there."""
    padding: int
    """Rows that are left without a token."""
    without_pieces: int
    """New tokens that the old tokenizer knows nothing of: the mean of all old tokens."""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for the record."""
        return asdict(self)

    def describe(self) -> str:
        """One sentence."""
        unknown = f"; {self.without_pieces:,} of them have no old pieces" if self.without_pieces else ""
        return (
            f"embedding {self.before:,} -> {self.after:,} rows: {self.kept:,} tokens keep theirs; new tokens: "
            f"{self.in_padding:,} in rows of padding, {self.in_placeholders:,} in placeholders, {self.in_new_rows:,} "
            f"in new rows{unknown}; {self.padding:,} rows are padding"
        )


def grow_rows(
    weights: Mapping[str, Tensor], old: TokenizerFiles, new: TokenizerFiles, added: NewTokens
) -> tuple[dict[str, Tensor], RowReport]:
    """``weights`` with a row for every token of ``new``: the old rows, bit by bit, and those of the ``added`` tokens.

    A new token's row (and bias) is the mean of those of its old pieces, so that its logit is the mean of theirs. Where
    rows are added they are a multiple of 64 in all, and those without a token are the mean of all old tokens.
    """
    before = weights[EMBEDDING].shape[0]
    after = before if new.vocab_size <= before else padded_rows(new.vocab_size)
    used = torch.tensor(sorted(set(old.vocabulary.values())))
    pieces = dict(old_pieces(old, new, added))
    grown = dict(weights)
    for name in _ROWS:
        if name in weights:
            grown[name] = _grown(weights[name], after, used, pieces)
    new_ids = set(added.tokens.values())
    report = RowReport(
        before=before,
        after=after,
        kept=len(new.vocabulary) - len(added.tokens),
        in_padding=sum(index < before for index in new_ids) - len(added.replaced),
        in_placeholders=len(added.replaced),
        in_new_rows=sum(index >= before for index in new_ids),
        padding=after - len(set(new.vocabulary.values())),
        without_pieces=sum(not len(ids) for ids in pieces.values()),
    )
    return grown, report


def _grown(rows: Tensor, after: int, used: Tensor, pieces: Mapping[int, Any]) -> Tensor:
    grown = rows.new_empty((after, *rows.shape[1:]))
    grown[: len(rows)] = rows
    mean = sum(rows[part].double().sum(0) for part in used.split(_AT_ONCE)) / len(used)
    grown[len(rows) :] = mean
    for start in range(0, len(pieces), _AT_ONCE):
        part = list(pieces.items())[start : start + _AT_ONCE]
        lengths = torch.tensor([len(ids) for _, ids in part])
        means = torch.zeros((len(part), *rows.shape[1:]), dtype=torch.float64)
        flat = torch.from_numpy(np.concatenate([ids for _, ids in part]))
        owners = torch.arange(len(part)).repeat_interleave(lengths)
        for ids, owner in zip(flat.split(_AT_ONCE), owners.split(_AT_ONCE), strict=True):
            means.index_add_(0, owner, rows[ids].double())
        means /= lengths.clamp(min=1).view(-1, *[1] * (rows.ndim - 1))
        means[lengths == 0] = mean
        grown[[index for index, _ in part]] = means.to(rows.dtype)
    return grown
