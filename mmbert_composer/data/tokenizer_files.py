"""What a tokenizer folder says about itself, read from its JSON files alone (no transformers, no torch)."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xxhash import xxh3_128

from mmbert_composer.errors import UserError

# The five ids that blocks, masks and the model need, and the names a tokenizer folder may give them.
SPECIAL_KEYS: dict[str, tuple[str, ...]] = {
    "pad": ("pad_token",),
    "eos": ("eos_token", "sep_token"),
    "bos": ("bos_token", "cls_token"),
    "unk": ("unk_token",),
    "mask": ("mask_token",),
}

_MAIN = "tokenizer.json"
_SETTINGS = ("special_tokens_map.json", "tokenizer_config.json")
"""Beside it, one at least; where they differ the later one counts."""


class TokenizerFiles:
    """A tokenizer folder: tokenizer.json beside tokenizer_config.json or special_tokens_map.json.

    Raises UserError at construction when the folder lacks a file, and by the properties when a special token is absent.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / _MAIN).is_file():
            raise UserError(
                f"no tokenizer in {self.folder}: expected a folder with tokenizer.json "
                "(`mmbert tokenizer train` makes one)"
            )
        self.fast: dict[str, Any] = read_json(self.folder / _MAIN)
        model = self.fast.get("model") if isinstance(self.fast, dict) else None
        if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict | list):
            raise UserError(f"{self.folder / _MAIN} is no tokenizer: it holds no model with a vocab")
        self.config: dict[str, Any] = {}
        for name in _SETTINGS:
            if (self.folder / name).is_file():
                self.config.update(read_json(self.folder / name))

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Every token and its id, added tokens included."""
        vocab = self.fast["model"]["vocab"]
        if isinstance(vocab, list):  # Unigram: [[token, score], ...] in the order of ids
            vocab = {token: index for index, (token, _score) in enumerate(vocab)}
        added = {token["content"]: token["id"] for token in self.fast.get("added_tokens", [])}
        return {**vocab, **added}

    @cached_property
    def vocab_size(self) -> int:
        """Number of ids, as ``len(tokenizer)``; not rounded."""
        return max(self.vocabulary.values()) + 1

    @cached_property
    def special_ids(self) -> dict[str, int]:
        """Ids under the keys pad, eos, bos, unk, mask; eos may be the sep token and bos the cls token."""
        ids: dict[str, int] = {}
        for key, names in SPECIAL_KEYS.items():
            content = next((_content(self.config[name]) for name in names if self.config.get(name)), None)
            if content is None or content not in self.vocabulary:
                raise UserError(f"tokenizer {self.folder} has no {key} token ({' or '.join(names)})")
            ids[key] = self.vocabulary[content]
        if len(set(ids.values())) != len(ids):
            raise UserError(
                f"tokenizer {self.folder}: pad, eos, bos, unk and mask must be five different tokens: {ids}"
            )
        return ids

    @cached_property
    def special_token_ids(self) -> tuple[int, ...]:
        """All special ids, ascending: the five and every added token marked special."""
        marked = {token["id"] for token in self.fast.get("added_tokens", []) if token.get("special")}
        return tuple(sorted(marked | set(self.special_ids.values())))

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the sorted vocabulary, the merges and the special ids: equal where equal ids mean equal text."""
        merges = [m.split(" ") if isinstance(m, str) else m for m in self.fast["model"].get("merges") or []]
        content = [sorted(self.vocabulary.items()), merges, sorted(self.special_ids.items())]
        return hashlib.sha256(json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class TokenizerFacts:
    """What is asked of a tokenizer's folder again and again, without its vocabulary; see ``TokenizerFiles``."""

    special_ids: dict[str, int]
    special_token_ids: tuple[int, ...]
    vocab_size: int
    hash: str


_known: dict[str, TokenizerFacts] = {}


def tokenizer_facts(folder: str | Path) -> TokenizerFacts:
    """Facts of the tokenizer in ``folder``; UserError where ``TokenizerFiles`` raises one.

    To parse 256,000 tokens takes seconds and one process asks several times, of copies too: files of the same content
    are parsed once.
    """
    digest = xxh3_128()
    for name in (_MAIN, *_SETTINGS):
        file = Path(folder) / name
        content = file.read_bytes() if file.is_file() else b""
        digest.update(f"{name} {len(content)} ")
        digest.update(content)
    key = digest.hexdigest()
    if key not in _known:
        files = TokenizerFiles(folder)
        _known[key] = TokenizerFacts(files.special_ids, files.special_token_ids, files.vocab_size, files.hash)
    return _known[key]


def tokenizer_hash(folder: str | Path) -> str:
    """Hash of the tokenizer in ``folder`` (see ``TokenizerFiles.hash``); the same as in the data's manifest."""
    return tokenizer_facts(folder).hash


def _content(token: str | dict[str, Any]) -> str:
    return token if isinstance(token, str) else token["content"]


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; a UserError naming it if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from None
