"""A data folder as ``mmbert prepare`` writes it, of random tokens."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from streaming import MDSWriter

from mmbert_composer.data.manifest import FORMAT, TOKENIZER_FOLDER, Manifest, Part, StreamEntry
from mmbert_composer.data.packing import pack
from mmbert_composer.data.tokenizer import train_tokenizer
from mmbert_composer.data.tokenizer_files import TokenizerFiles

PAD, EOS, BOS, FIRST_ORDINARY = 0, 1, 2, 5

VOCAB = 256_000


def make_data(root: Path, blocks: Mapping[str, int], block_size: int, seed: int = 0) -> Manifest:
    """Write streams of packed documents: log-normal lengths of mean 700 and sigma 1, clipped to 16 and the block.

    Args:
        root: an empty folder.
        blocks: "source/language" to how many blocks it gets.
        block_size: tokens in a block.
        seed: of lengths and tokens.
    """
    generator = np.random.default_rng(seed)
    entries: dict[str, StreamEntry] = {}
    for name, count in sorted(blocks.items()):
        tokens = _write(root / name, _documents(generator, count, block_size), block_size)
        files = [shard["raw_data"] for shard in json.loads((root / name / "index.json").read_text())["shards"]]
        entries[name] = StreamEntry(
            name=name,
            parts=(Part("0000", count, count, tokens),),
            documents=count,
            tokens=tokens,
            blocks=count,
            fill=tokens / (count * block_size),
            bytes=sum(file["bytes"] for file in files),
            shard_hashes={file["basename"]: file["hashes"]["xxh64"] for file in files},
        )
    return write_manifest(root, entries, block_size)


def _write(folder: Path, blocks: Iterator[list[NDArray[np.uint32]]], block_size: int) -> int:
    """Write a stream by Streaming's own writer; its real tokens."""
    columns = {"input_ids": f"ndarray:uint32:{block_size}", "cu_seqlens": "ndarray:int32"}
    tokens = 0
    with MDSWriter(columns=columns, out=str(folder), hashes=["xxh64"]) as writer:
        for sequences in blocks:
            cu_seqlens = np.cumsum([0, *map(len, sequences)]).astype(np.int32)
            input_ids = np.full(block_size, PAD, np.uint32)
            input_ids[: cu_seqlens[-1]] = np.concatenate(sequences)
            writer.write({"input_ids": input_ids, "cu_seqlens": cu_seqlens})
            tokens += int(cu_seqlens[-1])
    return tokens


def write_manifest(root: Path, entries: Mapping[str, StreamEntry], block_size: int) -> Manifest:
    """The manifest, beside a small tokenizer; ids are counted as those of a vocabulary of 256,000."""
    train_tokenizer(iter(["some words for a tokenizer that nobody uses"]), 600, root / TOKENIZER_FOLDER)
    files = TokenizerFiles(root / TOKENIZER_FOLDER)
    manifest = Manifest(
        root=root,
        format=FORMAT,
        block_size=block_size,
        tokenizer_hash=files.hash,
        special_ids=files.special_ids,
        vocab_size=VOCAB,
        special_token_ids=files.special_token_ids,
        streams=dict(entries),
    )
    manifest.save()
    return manifest


def _documents(generator: np.random.Generator, count: int, block_size: int) -> Iterator[list[NDArray[np.uint32]]]:
    """``count`` blocks, each a list of sequences."""
    mean = min(700, block_size / 4)
    number = math.ceil(1.5 * count * block_size / mean) + 1
    lengths = np.clip(np.rint(generator.lognormal(math.log(mean) - 0.5, 1.0, number)), 3, block_size).astype(int)
    enough = int(np.searchsorted(np.cumsum(lengths), 1.02 * count * block_size)) + 1
    packed = pack(lengths[:enough].tolist(), block_size)
    for block in packed[:count]:
        sequences: list[NDArray[np.uint32]] = []
        for index in block:
            sequence = generator.integers(FIRST_ORDINARY, VOCAB, lengths[index], np.uint32)
            sequence[0], sequence[-1] = BOS, EOS
            sequences.append(sequence)
        yield sequences
