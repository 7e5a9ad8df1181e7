"""``DATA/manifest.json``: what a data folder holds, written last and read first. JSON alone, no torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.tokenizer_files import tokenizer_hash
from mmbert_composer.errors import UserError

FORMAT = 1
MANIFEST_NAME = "manifest.json"
TOKENIZER_FOLDER = "tokenizer"
HELD_OUT_FOLDER = "heldout"
# Names a source cannot have: folders and files of ours in DATA.
RESERVED_SOURCES = frozenset({HELD_OUT_FOLDER, TOKENIZER_FOLDER, MANIFEST_NAME})


@dataclass(frozen=True)
class Part:
    """What one ``prepare`` added to a stream: its blocks follow those of the parts before."""

    name: str
    blocks: int
    documents: int
    tokens: int


@dataclass(frozen=True)
class StreamEntry:
    """One language of one source; with ``blocks == 0`` it is listed alone and has no folder."""

    name: str
    """``source/language``, also its folder below DATA."""
    parts: tuple[Part, ...] = ()
    documents: int = 0
    """Documents in training blocks; a document cut into several sequences counts once."""
    tokens: int = 0
    """Real tokens in training blocks, BOS and EOS of every sequence included."""
    blocks: int = 0
    fill: float = 0.0
    """tokens / (blocks x block_size)."""
    bytes: int = 0
    """Size of the training shards."""
    drops: dict[str, int] = field(default_factory=dict)
    """Records of this stream that are in no block, by reason."""
    shard_hashes: dict[str, str] = field(default_factory=dict)
    """xxh64 of every training shard, by file name."""
    licence: str = ""
    """A note on the licence of its text."""
    origin: str = ""
    """Where its text is from: a dataset's name and revision."""
    heldout_documents: int = 0
    heldout_blocks: int = 0
    heldout_tokens: int = 0
    heldout_shard_hashes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """A finished data folder."""

    root: Path
    format: int
    block_size: int
    tokenizer_hash: str
    special_ids: dict[str, int]
    """Ids under the keys pad, eos, bos, unk, mask."""
    vocab_size: int
    """``len(tokenizer)``, not rounded."""
    special_token_ids: tuple[int, ...]
    """All special ids, ascending: never masked, never drawn as random tokens."""
    streams: dict[str, StreamEntry]
    """By name, sorted."""
    ledger: dict[str, Any] = field(default_factory=dict)
    """Documents read, kept and dropped by reason, over all streams (see ``Ledger``)."""

    @property
    def tokens(self) -> int:
        """Real tokens in training blocks."""
        return sum(stream.tokens for stream in self.streams.values())

    @property
    def blocks(self) -> int:
        """Training blocks."""
        return sum(stream.blocks for stream in self.streams.values())

    def stream_folder(self, name: str) -> Path:
        """Folder of a stream's training shards."""
        return self.root / name

    def heldout_folder(self, name: str) -> Path:
        """Folder of a stream's held-out shards; it exists when ``heldout_blocks`` is above 0."""
        return self.root / HELD_OUT_FOLDER / name

    def save(self) -> None:
        """Write ``manifest.json`` in one step: it is there whole or not at all."""
        content = {key: value for key, value in asdict(self).items() if key != "root"}
        for entry in content["streams"].values():
            del entry["name"]
        write_json(self.root / MANIFEST_NAME, content)


def load_manifest(root: str | Path) -> Manifest:
    """The manifest of data folder ``root``, checked against the tokenizer in it.

    Raises UserError, naming the path, when it is absent, unfinished, invalid, or of another format, and when the
    tokenizer's hash is another than that of the blocks.
    """
    root = Path(root)
    path = root / MANIFEST_NAME
    if (root / ".prepare" / "committing").exists():
        raise UserError(f"new text was being added to {root} when that was stopped: run the same command again")
    if not path.is_file():
        if (root / ".prepare").is_dir():
            raise UserError(f"the data in {root} is unfinished: run the same `mmbert prepare run` again to complete it")
        raise UserError(f"no data in {root}: {path} does not exist (`mmbert prepare run --out {root}` makes it)")
    manifest = read_manifest(path, root)
    actual = tokenizer_hash(root / TOKENIZER_FOLDER)
    if actual != manifest.tokenizer_hash:
        raise UserError(
            f"the tokenizer in {root / TOKENIZER_FOLDER} (hash {actual[:12]}) is not the one of the blocks "
            f"(hash {manifest.tokenizer_hash[:12]}): put the right one back or prepare the data again"
        )
    return manifest


def read_manifest(path: Path, root: Path) -> Manifest:
    """The manifest in file ``path`` of the data in ``root``; UserError, naming it, when it is invalid or of another
    format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a manifest ({error!r}): prepare the data again") from None
    if found != FORMAT:
        raise UserError(f"{path} has format {found}; this version reads format {FORMAT}: prepare the data again")
    try:
        return _from_json(root, content)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a manifest ({error!r}): prepare the data again") from None


def _from_json(root: Path, content: Mapping[str, Any]) -> Manifest:
    known = {item.name for item in fields(Manifest)} - {"root", "streams", "special_token_ids"}
    streams: dict[str, StreamEntry] = {}
    for name, entry in sorted(content["streams"].items()):
        parts = tuple(Part(**part) for part in entry.pop("parts"))
        streams[name] = StreamEntry(name=name, parts=parts, **entry)
    return Manifest(
        root=root,
        streams=streams,
        special_token_ids=tuple(content["special_token_ids"]),
        **{key: content[key] for key in known},
    )
