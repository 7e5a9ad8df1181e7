"""What is read before any block: manifest, tokenizer and indexes, fetched together where the data is a remote."""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmbert_composer.data.data_source import DataSource
from mmbert_composer.data.download import download
from mmbert_composer.data.first_rank import on_first_rank
from mmbert_composer.data.manifest import HELD_OUT_FOLDER, MANIFEST_NAME, TOKENIZER_FOLDER, Manifest, load_manifest
from mmbert_composer.data.mds_writer import INDEX_NAME
from mmbert_composer.errors import UserError

log = logging.getLogger(__name__)

THREADS = 16
"""Files fetched at once: what takes time is the answer, not the bytes."""

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
MORE_TOKENIZER_FILES = ("special_tokens_map.json", "added_tokens.json", "tokenizer.model")
"""Those that a tokenizer may lack."""


def open_data(source: DataSource) -> Manifest:
    """The manifest of a source, with its tokenizer and the indexes of all its streams on this node.

    Streaming would fetch 1,834 indexes one after another. The first rank of a node fetches, the others wait for it;
    every rank has to call it. Fetched once a process.

    Raises:
        UserError: data that is not there, or not what the manifest says.
    """
    if source.is_remote:
        _fetch_once(source)
    return load_manifest(source.folder)


@lru_cache(maxsize=8)
def _fetch_once(source: DataSource) -> None:
    on_first_rank(lambda: fetch_indexes(source))


def fetch_indexes(source: DataSource) -> None:
    """Fetch what is not in the cache yet, or not as the remote's manifest has it now."""
    folder = source.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(source, MANIFEST_NAME)
    except UserError as error:
        if not (folder / MANIFEST_NAME).is_file():
            raise
        log.warning("%s. Going on with what is in %s", error, folder)
    try:
        manifest = load_manifest(folder)
    except UserError:  # the tokenizer is absent, or another one
        _fetch_all(source, [f"{TOKENIZER_FOLDER}/{name}" for name in TOKENIZER_FILES])
        for name in MORE_TOKENIZER_FILES:
            _fetch_optional(source, f"{TOKENIZER_FOLDER}/{name}")
        manifest = load_manifest(folder)
    expected: dict[str, tuple[int, dict[str, str]]] = {}
    for name, entry in manifest.streams.items():
        if entry.blocks:
            expected[f"{name}/{INDEX_NAME}"] = (entry.blocks, entry.shard_hashes)
        if entry.heldout_blocks:
            held_out = (entry.heldout_blocks, entry.heldout_shard_hashes)
            expected[f"{HELD_OUT_FOLDER}/{name}/{INDEX_NAME}"] = held_out
    stale = [name for name, what in expected.items() if _lists(folder / name) != what]
    if stale:
        log.info("fetching %d indexes from %s", len(stale), source.root)
    _fetch_all(source, stale)
    wrong = [name for name in stale if _lists(folder / name) != expected[name]]
    if wrong:
        raise UserError(
            f"{source.root}: {len(wrong)} indexes do not list what manifest.json says, the first is {wrong[0]}: it is "
            f"half written or of two versions; copy the data there again (mmbert prepare verify checks a folder)"
        )


def _lists(index: Path) -> tuple[int, dict[str, str]] | None:
    """Blocks and hashes that an index lists; None where it is absent or none."""
    try:
        shards: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))["shards"]
        hashes = {shard["raw_data"]["basename"]: shard["raw_data"]["hashes"]["xxh64"] for shard in shards}
        return sum(shard["samples"] for shard in shards), hashes
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fetch_all(source: DataSource, names: Sequence[str]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda name: _fetch(source, name), names):
            pass


def _fetch(source: DataSource, name: str, retries: int | None = None) -> None:
    remote = source.remote_of(name)
    assert remote is not None
    download(
        remote,
        source.folder / name,
        retries=source.download_retries if retries is None else retries,
        timeout=source.download_timeout,
    )


def _fetch_optional(source: DataSource, name: str) -> None:
    try:
        _fetch(source, name, retries=0)
    except UserError as error:
        log.debug("%s", error)
