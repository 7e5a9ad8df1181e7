"""Texts as masked windows: the masks of training's held-out loss, for any tokenizer. numpy alone.

Legend: W windows, L the longest of them in tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.held_out_loader import MASK_RATIO, MASK_SEED
from mmbert_composer.data.masking import IGNORE, Masker, rows_per_block, sample_keys
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument

MAX_WINDOWS = 4
"""Of one document: a book does not outweigh the others, nor take the evening."""


@dataclass(frozen=True)
class Window:
    """Part of a document: ``ids`` with its special tokens, ``document`` its number, ``index`` which window of it."""

    ids: list[int]
    document: int
    index: int


@dataclass(frozen=True)
class Measured:
    """What of a document is in its windows: ``tokens`` without special ones, ``bytes`` of UTF-8, ``characters``."""

    tokens: int
    bytes: int
    characters: int


def cut_windows(
    tokenizer: Any, documents: Sequence[TextDocument], max_length: int
) -> tuple[list[Window], list[Measured]]:
    """The first four windows of ``max_length`` tokens of each document, one after another without overlap."""
    windows: list[Window] = []
    measured: list[Measured] = []
    for number, document in enumerate(documents):
        encoded = tokenizer(
            document.text,
            truncation=True,
            max_length=max_length,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            verbose=False,
        )
        rows = list(encoded["input_ids"])[:MAX_WINDOWS]
        windows += [Window(list(ids), number, index) for index, ids in enumerate(rows)]
        end = max((stop for offsets in encoded["offset_mapping"][: len(rows)] for _, stop in offsets), default=0)
        ordinary = sum(mask.count(0) for mask in encoded["special_tokens_mask"][: len(rows)])
        measured.append(Measured(ordinary, len(document.text[:end].encode()), end))
    return windows, measured


class WindowMasker:
    """Masks windows at ratio 0.15, keyed by (stream, text, window): the same text always in the same places.

    Which tokens are masked differs between tokenizers, as tokens do.

    Raises:
        UserError: a tokenizer without a mask token.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        if tokenizer.mask_token_id is None:
            raise UserError(f"{name}: its tokenizer has no mask token, so it has no masked loss")
        self._pad = tokenizer.pad_token_id
        self._masker = Masker(
            MASK_SEED,
            vocab_size=len(tokenizer),
            special_ids=tuple(tokenizer.all_special_ids),
            mask_id=tokenizer.mask_token_id,
            purpose="held-out",
        )

    def mask(
        self, windows: Sequence[Window], documents: Sequence[TextDocument]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Windows side by side, padded on the right.

        Returns:
            input ids [W, L] with their masks; attention mask [W, L]; flat positions [M] of the masked tokens, window
            after window; their labels [M].
        """
        longest = max(len(window.ids) for window in windows)
        ids = np.full((len(windows), longest), self._pad, np.int64)
        attention = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
            attention[row, : len(window.ids)] = 1
        streams = [documents[window.document] for window in windows]
        keys = sample_keys(
            np.array([self._masker.stream_key(document.stream) for document in streams], np.uint64),
            np.array([document.hash for document in streams], np.uint64).astype(np.int64),
            np.array([window.index for window in windows], np.int64),
        )
        masked = self._masker.mask(ids, keys, MASK_RATIO, rows_per_block(MASK_RATIO, longest))
        used = masked.labels != IGNORE
        return ids, attention, masked.gather[used], masked.labels[used]
