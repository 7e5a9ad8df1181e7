"""A tokenizer with more tokens for new text; every old token keeps its id."""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.data.cut_words import WordCutter
from mmbert_composer.data.grow_merges import MergeGrowth, NewToken
from mmbert_composer.data.spare_ids import is_placeholder, padded_rows, spare_ids
from mmbert_composer.data.token_alphabet import TokenAlphabet
from mmbert_composer.data.tokenizer_files import TokenizerFiles, read_json
from mmbert_composer.data.write_grown import write_grown
from mmbert_composer.errors import UserError


@dataclass(frozen=True)
class Growth:
    """A grown tokenizer: its new tokens by id, and where those ids come from."""

    tokens: dict[int, NewToken]
    """In the order in which they were found, which is that of the merges."""
    rows: int
    """Rows of the embedding that the old tokenizer goes with."""
    padding: int
    """Of these, ids without a token that were given to new ones."""
    placeholders: int
    """Placeholders such as ``<unused7>`` that made room."""
    spare: int
    """Ids that are left for more tokens without a row more than there was."""

    @property
    def rows_after(self) -> int:
        """Rows of the embedding that the grown tokenizer needs: a multiple of 64 where it grows."""
        highest = max(self.tokens, default=0)
        return self.rows if highest < self.rows else padded_rows(highest + 1)

    @property
    def behind(self) -> int:
        """New tokens in new rows."""
        return len(self.tokens) - self.padding - self.placeholders

    @property
    def room(self) -> int:
        """Further tokens that would need no row more than these."""
        return self.spare + self.rows_after - self.rows - self.behind


def check_growth(tokenizer: str | Path, num_tokens: int, out: str | Path) -> TokenizerFiles:
    """The tokenizer's files, once it is sure that it can be grown; raises a UserError before any text is read."""
    if num_tokens < 1:
        raise UserError(f"new-tokens={num_tokens} must be at least 1")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty: choose another folder for the tokenizer, nothing was overwritten")
    files = TokenizerFiles(tokenizer)
    _ = files.special_ids
    TokenAlphabet(files)
    return files


def grow_tokenizer(
    files: TokenizerFiles,
    texts: Iterable[str],
    num_tokens: int,
    out: str | Path,
    *,
    advance: Callable[[], None] = lambda: None,
) -> Growth:
    """Go on with the training of a BPE on ``texts`` and save it with ``num_tokens`` more tokens as folder ``out``.

    Words are cut as the tokenizer cuts them now. The neighbours that occur most often are merged, again and again; the
    new merges come after all old ones, so text changes its tokens only where two that were merged stand side by side,
    or where a character that was written in bytes has got a token. New tokens take spare ids first (rows of padding,
    then placeholders such as ``<unused7>``), then new ones. Fewer are made where the text gives no more that occur
    twice. The result depends on the texts alone, not on their order. ``advance`` is called once a token.

    Raises UserError as ``check_growth`` does, and when the texts give no new token at all.
    """
    alphabet = TokenAlphabet(files)
    cutter = WordCutter(files, alphabet)
    counts = cutter.count(texts)
    tokens = {index: token for token, index in files.vocabulary.items()} | cutter.characters
    # A symbol's number decides between equals: that of a character shall not depend on which came first.
    order = {
        symbol: number for number, symbol in enumerate(sorted(cutter.characters, key=cutter.characters.__getitem__))
    }
    renumber = {symbol: files.vocab_size + order[symbol] for symbol in order}
    growth = MergeGrowth(
        {tuple(renumber.get(symbol, symbol) for symbol in word): count for word, count in counts.items()},
        {renumber.get(symbol, symbol): token for symbol, token in tokens.items()},
        {
            renumber[symbol]: len(character.encode())
            for symbol, character in cutter.characters.items()
            if _is_writing(character)
        },
        alphabet.is_word,
        set(files.vocabulary),
    )
    found: list[NewToken] = []
    while len(found) < num_tokens and (token := growth.next_token()) is not None:
        found.append(token)
        advance()
    if not found:
        raise UserError(
            f"the text gives no new token for the tokenizer in {files.folder}: no two of its tokens stand side by side "
            "in a word twice. Is it the text of the new language?"
        )
    rows = embedding_rows(files)
    spare = spare_ids(files, rows)
    ids = [*spare[: len(found)], *range(rows, rows + max(0, len(found) - len(spare)))]
    result = dict(zip(ids, found, strict=True))
    replaced = {token for token, index in files.vocabulary.items() if index in result and is_placeholder(token)}
    write_grown(files, result, replaced, Path(out))
    used = len([index for index in ids if index < rows])
    return Growth(result, rows, used - len(replaced), len(replaced), spare=len(spare) - used)


def embedding_rows(files: TokenizerFiles) -> int:
    """Rows of the embedding that goes with a tokenizer: those of the model in the same folder, else padded to 64."""
    config = files.folder / "config.json"
    said = read_json(config).get("vocab_size") if config.is_file() else None
    return max(int(said), files.vocab_size) if said else padded_rows(files.vocab_size)


def _is_writing(character: str) -> bool:
    """Letters, marks, digits, punctuation and symbols; no spaces, controls or unassigned characters."""
    return unicodedata.category(character)[0] not in "CZ" and character != "\ufffd"
