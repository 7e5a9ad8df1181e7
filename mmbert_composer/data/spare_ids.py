"""Ids of a tokenizer that no text uses: placeholders such as ``<unused7>``, gaps, and rows of padding behind it."""

import re

from mmbert_composer.data.tokenizer_files import TokenizerFiles

ROW_MULTIPLE = 64
"""Embeddings have a multiple of so many rows, which matrix units want."""

_PLACEHOLDER = re.compile(r"[<\[](?:unused|extra_id|reserved_special_token|madeupword)[_-]?\d+[>\]]")


def is_placeholder(token: str) -> bool:
    """Whether a token was put into a vocabulary to be replaced: ``<unused7>`` of Gemma, ``[unused7]`` of BERT."""
    return _PLACEHOLDER.fullmatch(token) is not None


def padded_rows(num_ids: int) -> int:
    """``num_ids`` rounded up to a multiple of 64."""
    return -(-num_ids // ROW_MULTIPLE) * ROW_MULTIPLE


def spare_ids(files: TokenizerFiles, rows: int) -> list[int]:
    """Ids below ``rows`` that may be given to new tokens: first those without any token, then placeholders."""
    used = set(files.vocabulary.values())
    free = [index for index in range(rows) if index not in used]
    special = set(files.special_ids.values())
    placeholders = {index for token, index in files.vocabulary.items() if is_placeholder(token)}
    return free + sorted(placeholders - special)
