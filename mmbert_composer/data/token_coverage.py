"""How well a tokenizer covers languages: tokens a word and a character, words of one token, tokens that are bytes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from mmbert_composer.data.languages import NO_LANGUAGE, language_name
from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.data.token_alphabet import TokenAlphabet
from mmbert_composer.data.tokenizer_files import TokenizerFiles

_WORDS = Split(Regex(r"[^\p{L}\p{M}\x{200C}\x{200D}]+"), "removed")
_BATCH = 1024


@dataclass(frozen=True)
class Coverage:
    """What a tokenizer makes of some text. A word is a run of letters, encoded with a space before it."""

    characters: int
    words: int
    tokens: int
    word_tokens: int
    """Tokens of all words."""
    one_token_words: int
    byte_tokens: int
    """Tokens that are no whole characters."""

    def to_json(self) -> dict[str, float]:
        """The shares that people compare; 0 where there is nothing to divide by."""
        return {
            "tokens_per_word": _ratio(self.word_tokens, self.words),
            "tokens_per_character": _ratio(self.tokens, self.characters),
            "one_token_words": _ratio(self.one_token_words, self.words),
            "byte_tokens": _ratio(self.byte_tokens, self.tokens),
        }


def measure_coverage(files: TokenizerFiles, texts: Mapping[str, Sequence[str]]) -> dict[str, Coverage]:
    """The coverage of the texts of each language by a BPE that ``TokenAlphabet`` knows."""
    alphabet, encoder = TokenAlphabet(files), TextEncoder(files.folder)
    partial = np.zeros(files.vocab_size, bool)
    added = {token["id"] for token in files.fast.get("added_tokens", [])}
    for token, index in files.vocabulary.items():
        partial[index] = index not in added and alphabet.is_part_of_character(token)
    return {language: _measure(encoder, partial, own) for language, own in texts.items()}


def _measure(encoder: TextEncoder, partial: np.ndarray, texts: Sequence[str]) -> Coverage:
    tokens = byte_tokens = 0
    words: Counter[str] = Counter()
    for batch in _batches(texts):
        for ids in encoder.encode(batch):
            tokens += len(ids)
            byte_tokens += int(partial[ids].sum())
        words.update(word for text in batch for word, _ in _WORDS.pre_tokenize_str(text))
    word_tokens = one_token = 0
    for batch in _batches(list(words)):
        for word, ids in zip(batch, encoder.encode([f" {word}" for word in batch]), strict=True):
            word_tokens += len(ids) * words[word]
            one_token += words[word] if len(ids) == 1 else 0
    return Coverage(sum(map(len, texts)), words.total(), tokens, word_tokens, one_token, byte_tokens)


def coverage_table(before: Mapping[str, Coverage], after: Mapping[str, Coverage]) -> Table:
    """A row a language, the one with most text first: each number before and after."""
    title = "the text given, before -> after"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in ("language", "characters", "tokens/word", "tokens/char", "1-token words", "byte tokens"):
        table.add_column(column, justify="left" if column == "language" else "right")
    for language in sorted(before, key=lambda name: (-before[name].characters, name)):
        old, new = before[language].to_json(), after[language].to_json()
        name = language if language == NO_LANGUAGE else f"{language} {language_name(language)}"
        cells = [f"{old[key]:.2f} -> {new[key]:.2f}" for key in ("tokens_per_word", "tokens_per_character")]
        cells += [f"{old[key]:.0%} -> {new[key]:.0%}" for key in ("one_token_words", "byte_tokens")]
        table.add_row(name, f"{before[language].characters:,}", *cells)
    return table


def coverage_json(before: Mapping[str, Coverage], after: Mapping[str, Coverage]) -> dict[str, Any]:
    """The same for coverage.json."""
    return {
        language: {
            "characters": before[language].characters,
            "words": before[language].words,
            "before": before[language].to_json(),
            "after": after[language].to_json(),
        }
        for language in sorted(before)
    }


def _batches(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _ratio(count: int, of: int) -> float:
    return round(count / of, 4) if of else 0.0
