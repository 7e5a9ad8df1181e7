"""How a BPE vocabulary writes text: bytes as characters (GPT-2), or characters, falling back to bytes (SentencePiece).

Both can write any text, so both can be grown; other vocabularies lose what they do not know.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

from tokenizers import pre_tokenizers

from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError

MAX_LETTERS = 16
"""Letters of the longest new token, as in the tokenizers trained here."""

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACES = " \u2581"
_JOINERS = "\u200c\u200d"  # ZWNJ and ZWJ are letters in Persian, Malayalam and others


class TokenAlphabet:
    """The writing of a tokenizer's vocabulary.

    Raises UserError for a tokenizer that is no BPE, or a BPE without byte fallback and byte level, or with marks inside
    words or at their ends (``continuing_subword_prefix``, ``end_of_word_suffix``).
    """

    def __init__(self, files: TokenizerFiles) -> None:
        model = files.fast["model"]
        kind = model.get("type") or ("BPE" if "merges" in model else "other")
        if kind != "BPE":
            raise UserError(
                f"tokenizer {files.folder} is a {kind} model, which has no merges to go on with; only BPE can be grown "
                "(`mmbert import --tokenizer` takes any tokenizer that was grown elsewhere and keeps its ids)"
            )
        for key in ("continuing_subword_prefix", "end_of_word_suffix"):
            if model.get(key):
                raise UserError(
                    f"tokenizer {files.folder} has a {key} ({model[key]!r}); such a BPE cannot be grown here"
                )
        steps = [*_steps(files.fast.get("normalizer")), *_steps(files.fast.get("pre_tokenizer"))]
        self.byte_level = "ByteLevel" in steps
        if not self.byte_level and not model.get("byte_fallback"):
            raise UserError(
                f"tokenizer {files.folder} has neither byte fallback nor byte level: characters it does not know are "
                "lost in it, so it cannot be grown on their text"
            )

    def content(self, token: str) -> bytes:
        """The bytes a token stands for; a space may be written U+2581."""
        if self.byte_level:
            return bytes(_byte_of_character()[character] for character in token)
        byte = self.byte_of(token)
        return token.encode() if byte is None else bytes([byte])

    def byte_of(self, token: str) -> int | None:
        """The byte of a fallback token ``<0xE1>``; None for every other token and in a byte-level vocabulary."""
        match = None if self.byte_level else _BYTE.fullmatch(token)
        return None if match is None else int(match[1], 16)

    def is_part_of_character(self, token: str) -> bool:
        """Whether a token is no whole characters: a fallback byte, or bytes that begin or end inside of one."""
        if not self.byte_level:
            return self.byte_of(token) is not None
        try:
            self.content(token).decode()
        except UnicodeDecodeError:
            return True
        return False

    def is_word(self, token: str) -> bool:
        """Whether a token may be made by a merge: at most 16 letters, a space before them or not.

        In a byte-level vocabulary the last character may be incomplete, and so may a token inside one character.
        Digits and punctuation stay as the old vocabulary cuts them.
        """
        content = self.content(token)
        start = 0
        while start < len(content) and content[start] & 0xC0 == 0x80:
            start += 1
        if start:  # begins inside a character: a part of that one alone
            return self.byte_level and start == len(content) < 4
        text = content.decode(errors="replace" if self.byte_level else "strict")
        incomplete = text.endswith("\ufffd")
        letters = text[1:] if text[:1] in _SPACES and text else text
        letters = letters[:-1] if incomplete else letters
        return len(letters) + incomplete <= MAX_LETTERS and all(map(is_letter, letters)) and bool(letters or incomplete)

    def begins_word(self, token: str) -> bool:
        """Whether a token begins with a space."""
        return self.content(token)[:1] == b" " or (not self.byte_level and token[:1] in _SPACES)

    def is_space(self, token: str) -> bool:
        """Whether a token is one space, which may be the beginning of a word."""
        return token == "Ġ" if self.byte_level else token in tuple(_SPACES)


@cache
def is_letter(character: str) -> bool:
    """Letters, marks (vowel signs of Indic scripts) and the joiners between them."""
    return unicodedata.category(character)[0] in "LM" or character in _JOINERS


def _steps(part: Any) -> Iterator[str]:
    """Types of a normalizer or pre-tokenizer and of those in it."""
    if isinstance(part, dict):
        yield str(part.get("type"))
        for inner in part.get("normalizers", part.get("pretokenizers", [])):
            yield from _steps(inner)


@cache
def _byte_of_character() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for: printable ones themselves, others shifted."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    shifted = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable} | {chr(256 + number): byte for number, byte in enumerate(shifted)}
    assert set(table) == set(pre_tokenizers.ByteLevel.alphabet()), "the library's alphabet has changed"
    return table
