"""Our loader, Streaming alone on the same shards, and transformers' collator on the same documents in padded rows."""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from streaming import Stream, StreamingDataset
from transformers import DataCollatorForLanguageModeling

from benchmarks.loading.make_data import BOS, EOS
from mmbert_composer.curriculum import Curriculum, Phase
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.data.manifest import Manifest
from mmbert_composer.data.tokenizer import load_tokenizer

MASK_RATIO = 0.3
SEGMENTS = 64
"""More than any benchmark walks through."""


def our_loader(manifest: Manifest, *, micro_batch: int, max_seq_len: int, workers: int) -> AnnealedLoader:
    """A loader whose segments hold as many blocks as the data: everything is read once a segment."""
    blocks = manifest.blocks
    phase = Phase("all", f"{SEGMENTS * blocks * manifest.block_size}tok", MASK_RATIO, max_seq_len, {"*": {"tau": 1.0}})
    curriculum = Curriculum(
        [phase],
        block_size=manifest.block_size,
        segment_blocks=blocks,
        global_train_batch_size=micro_batch,
        max_passes=None,
    )
    dataset = AnnealedDataset(manifest.root, curriculum, seed=1, batch_size=micro_batch)
    return AnnealedLoader(
        dataset,
        global_batch_size=micro_batch,
        mask_ratio=MASK_RATIO,
        max_seq_len=max_seq_len,
        num_workers=workers,
    )


def read_segment(loader: AnnealedLoader) -> int:
    """Serve a segment; real tokens in it."""
    return sum(batch["tokens_real"] for step in loader for batch in step)


def bare_streaming(manifest: Manifest, micro_batch: int) -> Callable[[int], int]:
    """An epoch of Streaming over the same shards, shuffled, its samples dropped as they come; real tokens in it."""
    dataset = StreamingDataset(
        streams=[Stream(local=str(manifest.stream_folder(name))) for name in manifest.streams],
        batch_size=micro_batch,
        num_canonical_nodes=8,
        shuffle=True,
    )

    def read(number: int) -> int:
        return sum(int(sample["cu_seqlens"][-1]) for sample in dataset)

    return read


def collator(manifest: Manifest, loader: AnnealedLoader, *, rows: int, batches: int) -> Callable[[int], int]:
    """Transformers' masking collator on documents that are in memory already, ``rows`` at a time; real tokens in them.

    The documents are those of the loader's next blocks, cut at its ``max_seq_len``; the rows come with
    ``special_tokens_mask``, as its documentation recommends: without it is much slower.
    """
    documents: list[dict[str, Any]] = []
    for sample in loader.dataset:
        for start, end in zip(sample["cu_seqlens"][:-1], sample["cu_seqlens"][1:], strict=True):
            ids = sample["input_ids"][start : min(end, start + loader.max_seq_len)]
            special = np.isin(ids, (BOS, EOS)).astype(int)
            documents.append({"input_ids": ids.tolist(), "special_tokens_mask": special.tolist()})
        if len(documents) >= rows * batches:
            break
    order = np.random.default_rng(0).permutation(len(documents))
    documents = [documents[i] for i in order]
    collate = DataCollatorForLanguageModeling(
        tokenizer=load_tokenizer(manifest.root / "tokenizer"), mlm_probability=MASK_RATIO
    )

    def run(number: int) -> int:
        tokens = 0
        for start in range(0, len(documents), rows):
            part = documents[start : start + rows]
            collate(part)
            tokens += sum(len(document["input_ids"]) for document in part)
        return tokens

    return run


def cpu_seconds() -> float:
    """Of this process and of those it started that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def with_workers(manifest: Manifest, *, micro_batch: int, max_seq_len: int, workers: int, segments: int) -> float:
    """Real tokens a CPU-second of all processes, from before the workers start until they have ended."""
    loader = our_loader(manifest, micro_batch=micro_batch, max_seq_len=max_seq_len, workers=workers)
    before = cpu_seconds()
    tokens = sum(read_segment(loader) for _ in range(segments))
    assert loader._iterator is not None
    loader._iterator._shutdown_workers()  # type: ignore[attr-defined]
    return tokens / (cpu_seconds() - before)


def folder_seconds(root: Path) -> tuple[float, int]:
    """CPU-seconds that comparing every shard with its hash takes, and the bytes read."""
    from mmbert_composer.data.verify_data import verify_data

    before = cpu_seconds()
    verified = verify_data(root, threads=1)
    return cpu_seconds() - before, verified.bytes
