"""Text to token ids, with text that looks like a special token staying text."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mmbert_composer.data.tokenizer_files import tokenizer_facts
from mmbert_composer.errors import UserError

# Characters a call encodes at once. Tokenizers slow down with length (2.2 times slower at 128k characters than at 500)
# and take some 100 bytes a character, so a longer document is encoded in pieces.
PIECE_CHARACTERS = 16_384
_SPACE = re.compile(r"\s(?=\S)")


class TextEncoder:
    """Encodes documents with the tokenizer in ``folder``: content alone, no BOS or EOS.

    "<mask>" in a text is encoded as characters, never as the mask token. Raises UserError when the tokenizer gives a
    special id for plain text all the same.
    """

    def __init__(self, folder: str | Path) -> None:
        facts = tokenizer_facts(folder)
        self.special_ids = facts.special_ids
        self._file = Path(folder) / "tokenizer.json"
        self._forbidden = np.zeros(facts.vocab_size, bool)
        self._forbidden[list(facts.special_token_ids)] = True
        # A tokenizer without byte fallback may not know a character.
        self._forbidden[facts.special_ids["unk"]] = False

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        """Read when there is text to encode: it takes a second for 256,000 tokens."""
        tokenizer = Tokenizer.from_file(str(self._file))
        tokenizer.encode_special_tokens = True
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Token ids of each text, uint32 [length]; the pieces of a long text joined."""
        pieces = [split_text(text) for text in texts]
        flat = [piece for of_text in pieces for piece in of_text]
        encodings = self._tokenizer.encode_batch_fast(flat, add_special_tokens=False)
        ids = [np.array(encoding.ids, np.uint32) for encoding in encodings]
        result: list[NDArray[np.uint32]] = []
        start = 0
        for text, of_text in zip(texts, pieces, strict=True):
            end = start + len(of_text)
            tokens = ids[start] if end - start == 1 else np.concatenate(ids[start:end])
            if self._forbidden[tokens].any():
                found = int(tokens[self._forbidden[tokens]][0])
                raise UserError(
                    f"the tokenizer gives the special token {self._tokenizer.id_to_token(found)!r} (id {found}) "
                    f"for plain text beginning {text[:60]!r}: its vocabulary cannot be used for training"
                )
            result.append(tokens)
            start = end
        return result


def split_text(text: str, max_characters: int = PIECE_CHARACTERS) -> list[str]:
    """Pieces of at most ``max_characters`` that join to ``text``, cut before the space of a word where there is one."""
    pieces: list[str] = []
    start = 0
    while len(text) - start > max_characters:
        end = start + max_characters
        spaces = [match.start() for match in _SPACE.finditer(text, max(start + 1, end - 256), end)]
        cut = spaces[-1] if spaces else end
        pieces.append(text[start:cut])
        start = cut
    return [*pieces, text[start:]]
