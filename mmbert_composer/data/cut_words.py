"""Text as a tokenizer's own tokens, cut into the words within which new merges may happen, and counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mmbert_composer.data.text_encoder import split_text
from mmbert_composer.data.token_alphabet import TokenAlphabet, is_letter
from mmbert_composer.data.tokenizer_files import TokenizerFiles

MAX_SYMBOLS = 32
"""A longer word is counted in pieces: scripts without spaces make one word of a paragraph, and no two are alike."""

_BATCH = 512


class WordCutter:
    """Counts the words of texts, each as a tuple of symbols.

    A symbol is a token's id, or, in a vocabulary with byte fallback, a number behind the ids that stands for a
    character without a token (``characters``: symbol to character).

    A word ends where the tokenizer's own pre-tokenizer cuts, before a space, and beside everything that is no letters:
    no merge can cross such a place, so counting inside words misses none.
    """

    def __init__(self, files: TokenizerFiles, alphabet: TokenAlphabet) -> None:
        self.characters: dict[int, str] = {}
        self._symbols: dict[str, int] = {}
        self._size = files.vocab_size
        self._tokenizer = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        added = {token["id"] for token in files.fast.get("added_tokens", [])}
        self._byte = np.full(self._size, -1, np.int64)
        """The byte of a fallback token."""
        self._goes_on = np.zeros(self._size, bool)
        """May be the right part of a merge."""
        self._begins = np.zeros(self._size, bool)
        """May be the left part."""
        for token, index in files.vocabulary.items():
            byte = alphabet.byte_of(token)
            if byte is not None:
                self._byte[index] = byte
            elif index not in added:
                is_word = alphabet.is_word(token) or _begins_inside(alphabet, token)
                self._begins[index] = is_word or alphabet.is_space(token)
                self._goes_on[index] = is_word and not alphabet.begins_word(token)

    def count(self, texts: Iterable[str]) -> Counter[tuple[int, ...]]:
        """Every word of the texts with how often it occurs; words of one token, which nothing can shorten, left out."""
        counts: Counter[bytes] = Counter()
        pieces = (piece for text in texts for piece in split_text(text))
        for batch in _batches(pieces):
            for encoding in self._tokenizer.encode_batch(batch, add_special_tokens=False):
                counts.update(self._words(np.array(encoding.ids, np.int64), np.array(encoding.word_ids, np.int64)))
        return Counter({tuple(np.frombuffer(word, np.int64).tolist()): count for word, count in counts.items()})

    def _words(self, ids: NDArray[np.int64], words: NDArray[np.int64]) -> Iterator[bytes]:
        if not len(ids):
            return
        begins, goes_on, unknown = self._begins[ids], self._goes_on[ids], None
        if (self._byte[ids] >= 0).any():
            ids, words, unknown = self._characters(ids, words)
            known = np.where(unknown, 0, ids)
            begins, goes_on = self._begins[known] & ~unknown, self._goes_on[known] & ~unknown
            found, inverse = np.unique(ids[unknown], return_inverse=True)
            letters = np.array([is_letter(self.characters[symbol]) for symbol in found.tolist()], bool)
            begins[unknown] = goes_on[unknown] = letters[inverse]
        cut = (words[1:] != words[:-1]) | ~goes_on[1:] | ~begins[:-1]
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(ids)]
        for start, end in pairwise(edges):
            for first in range(start, end, MAX_SYMBOLS):
                last = min(first + MAX_SYMBOLS, end)
                if last - first > 1 or (unknown is not None and unknown[first]):
                    yield ids[first:last].tobytes()

    def _characters(
        self, ids: NDArray[np.int64], words: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """``ids`` and ``words`` with one symbol for the bytes of a character, and which symbols those are."""
        values = self._byte[ids]
        starts = np.flatnonzero((values & 0xC0) != 0x80)  # not 10xxxxxx; tokens that are no bytes are -1
        first = values[starts]
        unknown = first >= 0
        length = 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
        point = np.where(length > 1, first & (0x7F >> length), first)
        for number in (1, 2, 3):
            following = values[np.minimum(starts + number, len(values) - 1)] & 0x3F
            point = np.where(length > number, (point << 6) | following, point)
        symbols = ids[starts]
        found, inverse = np.unique(point[unknown], return_inverse=True)
        symbols[unknown] = np.array([self._symbol(chr(value)) for value in found.tolist()], np.int64)[inverse]
        return symbols, words[starts], unknown

    def _symbol(self, character: str) -> int:
        if character not in self._symbols:
            symbol = self._symbols[character] = self._size + len(self._symbols)
            self.characters[symbol] = character
        return self._symbols[character]


def _begins_inside(alphabet: TokenAlphabet, token: str) -> bool:
    """Whether a byte-level token begins inside a character: it may complete one to its left."""
    return alphabet.byte_level and alphabet.content(token)[:1] >= b"\x80" and alphabet.content(token)[0] & 0xC0 == 0x80


def _batches(pieces: Iterable[str]) -> Iterator[Sequence[str]]:
    iterator = iter(pieces)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
