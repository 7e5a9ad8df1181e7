import hashlib
from typing import Any

import numpy as np
import pytest

from mmbert_composer.data.masking import Masker
from mmbert_composer.data.packed_batch import pack_batch, read_blocks
from mmbert_composer.errors import UserError

SPECIAL = {"pad": 0, "eos": 1, "bos": 2, "unk": 3, "mask": 4}


def pack(ends: list[int], max_seq_len: int = 8) -> Any:
    """A batch of two blocks of 16 tokens, the second with these bounds."""
    samples = [
        {"input_ids": np.arange(16, dtype=np.uint32) + 5, "cu_seqlens": np.array(x, np.int32), "stream": 3, "index": i}
        for i, x in enumerate([[0, 4, 16], ends])
    ]
    blocks = read_blocks([{**sample, "visit": 0} for sample in samples])
    masker = Masker(0, vocab_size=64, special_ids=tuple(SPECIAL.values()), mask_id=4)
    return pack_batch(
        blocks,
        masker,
        np.arange(4, dtype=np.uint64),
        mask_ratio=0.25,
        largest_mask_ratio=0.3,
        max_seq_len=max_seq_len,
        bos_id=2,
        eos_id=1,
    )


def test_bounds_of_a_batch_by_hand():
    batch = pack([0, 3, 13])
    # 12 and 10 tokens are cut in two; 3 tokens of padding are a sequence of their own, that no text counts
    assert batch["cu_seqlens"].tolist() == [0, 4, 10, 16, 19, 24, 29, 32]
    assert (batch["sequences"], batch["tokens_real"], batch["blocks"]) == (6, 29, 2)


@pytest.mark.parametrize("ends", [[0, 17], [1, 16], [0, 9, 5, 16], [0, 4, 4, 16], [0]])
def test_a_damaged_block_is_named(ends: list[int]):
    with pytest.raises(UserError, match=r"block 1 of stream number 3: its cu_seqlens must rise from 0 to at most 16"):
        pack(ends)


@pytest.mark.parametrize(
    ("max_seq_len", "digest", "num_masked", "sequences"),
    [(256, "7b21c53cb37a9f5f", 140, 8), (64, "84eea8f65b06c3d0", 137, 16), (7, "eea7cb14af99f40d", 100, 106)],
)
def test_batches_are_those_of_every_version(max_seq_len: int, digest: str, num_masked: int, sequences: int):
    """Cuts and masks of four blocks, the last one a filler: a run continued by a later version sees the same."""
    samples = []
    for number, ends in enumerate([[0, 100, 256], [0, 3, 30, 97, 201], [0, 256], [0, 5]]):
        ids = ((np.arange(256) + number * 256) * 7919 % 4000 + 5).astype(np.uint32)
        ids[ends[-1] :], ids[ends[:-1]], ids[np.array(ends[1:]) - 1] = 0, 2, 1
        stream = number % 2 if number < 3 else -1
        place = {"stream": stream, "index": number * 11, "visit": number}
        samples.append({"input_ids": ids, "cu_seqlens": np.array(ends, np.int32), **place})
    masker = Masker(17, vocab_size=5000, special_ids=(0, 1, 2, 3, 4, 4711), mask_id=4)
    keys = np.array([masker.stream_key(name) for name in ("a/deu", "a/eng")], np.uint64)
    how: Any = {"mask_ratio": 0.2, "largest_mask_ratio": 0.3, "max_seq_len": max_seq_len, "bos_id": 2, "eos_id": 1}
    batch: Any = pack_batch(read_blocks(samples), masker, keys, **how)
    parts = [batch[key].numpy().tobytes() for key in ("input_ids", "cu_seqlens", "gather", "labels")]
    assert hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest() == digest
    assert (batch["num_masked"], batch["tokens_real"], batch["sequences"]) == (num_masked, 718, sequences)
