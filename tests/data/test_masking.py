import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.masking import Masker, rows_per_block, sample_keys
from mmbert_composer.errors import UserError

VOCAB, SPECIAL, MASK = 1000, (0, 1, 2, 3, 4), 4


def masker(seed=7, purpose="train"):
    return Masker(seed, vocab_size=VOCAB, special_ids=SPECIAL, mask_id=MASK, purpose=purpose)


def blocks(count, size, seed=0):
    ids = np.random.default_rng(seed).integers(5, VOCAB, (count, size))
    ids[:, 0], ids[:, size // 2], ids[:, -3:] = 2, 1, 0
    return ids


def keys(count, visit=0):
    stream = np.full(count, masker().stream_key("a/eng"), np.uint64)
    return sample_keys(stream, np.arange(count), np.full(count, visit))


@given(st.integers(1, 5), st.integers(16, 80), st.floats(0.01, 0.9), st.integers(0, 100))
def test_invariants(count, size, ratio, seed):
    original = blocks(count, size, seed)
    ids = original.copy()
    rows = rows_per_block(ratio, size)
    result = masker().mask(ids, keys(count), ratio, rows)
    gather, labels = result.gather.reshape(count, rows), result.labels.reshape(count, rows)
    maskable = (original >= 5).sum(axis=1)
    used = labels >= 0
    assert used.sum() == result.num_masked
    assert used.sum(axis=1).tolist() == [min(rows, max(1, int(ratio * n + 0.5))) for n in maskable]
    assert (gather[~used] == 0).all()
    flat = original.reshape(-1)
    assert np.array_equal(labels[used], flat[gather[used]])  # labels are what stood there
    assert (flat[gather[used]] >= 5).all()  # never a special token, never padding
    changed = set(np.flatnonzero(ids.reshape(-1) != flat))
    assert changed <= set(gather[used])
    assert np.isin(ids[original < 5], SPECIAL).all()
    for row in range(count):  # a block's rows point into that block
        assert (gather[row][used[row]] // size == row).all()


def test_keyed_by_sample_and_visit_alone():
    ids = blocks(6, 64)
    all_at_once, alone = ids.copy(), ids[4:5].copy()
    masker().mask(all_at_once, keys(6), 0.3, 20)
    masker().mask(alone, keys(6)[4:5], 0.3, 20)
    assert np.array_equal(all_at_once[4], alone[0])
    for other in (keys(6, visit=1), keys(6)[::-1]):
        again = ids.copy()
        masker().mask(again, other, 0.3, 20)
        assert not np.array_equal(again, all_at_once)
    assert masker(seed=8).stream_key("a/eng") != masker().stream_key("a/eng")
    assert masker(purpose="held-out").stream_key("a/eng") != masker().stream_key("a/eng")


def test_positions_of_a_lower_ratio_are_among_those_of_a_higher():
    few = masker().mask(blocks(3, 64), keys(3), 0.05, 30)
    many = masker().mask(blocks(3, 64), keys(3), 0.4, 30)
    assert set(few.gather[few.labels >= 0]) < set(many.gather[many.labels >= 0])


def test_80_10_10():
    original = blocks(200, 512)
    ids = original.copy()
    result = masker().mask(ids, keys(200), 0.3, rows_per_block(0.3, 512))
    chosen = result.gather[result.labels >= 0]
    before, after = original.reshape(-1)[chosen], ids.reshape(-1)[chosen]
    total = len(chosen)
    assert total > 30_000
    assert (after == MASK).mean() == pytest.approx(0.8, abs=0.01)
    assert (after == before).mean() == pytest.approx(0.1, abs=0.01)
    random = after[(after != MASK) & (after != before)]
    assert len(random) / total == pytest.approx(0.1, abs=0.01)
    assert not np.isin(random, SPECIAL).any()
    assert len(np.unique(random)) > 0.9 * (VOCAB - len(SPECIAL))  # from the whole vocabulary
    # spread evenly over positions
    hits = np.bincount(chosen % 512, minlength=512)[1:-3]
    assert hits[hits > 0].min() > 20


def test_at_least_one_and_none_where_nothing_is_maskable():
    ids = np.array([[2, 9, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
    result = masker().mask(ids, keys(2), 0.05, 1)
    assert result.num_masked == 1
    assert result.labels.tolist() == [9, -100]


def test_rows():
    assert rows_per_block(0.3, 8192) == 2458
    assert rows_per_block(0.001, 64) == 1
    with pytest.raises(UserError, match=r"mask_ratio=1.0 must be in \(0, 1\)"):
        rows_per_block(1.0, 64)


@pytest.mark.parametrize(
    ("ratio", "num_masked", "digest"),
    [(0.3, 136, "303e8c5a72451180"), (0.15, 69, "342ac29b3e813bc8"), (0.05, 24, "6995fba81255b1a1")],
)
def test_masks_are_those_of_every_version(ratio, num_masked, digest):
    """A run that is continued by a later version sees the masks it would have seen."""
    masker = Masker(17, vocab_size=5000, special_ids=(0, 1, 2, 3, 4, 4711), mask_id=4)
    ids = (np.arange(4 * 256).reshape(4, 256) * 7919) % 5000
    ids[:, 0], ids[0, 100] = 2, 1
    ids[1, 200:], ids[2], ids[3, 1:] = 0, 0, 0  # a tail, nothing but padding, and a single token
    ids[3, 7] = 99
    key = np.full(4, masker.stream_key("a/eng"), np.uint64)
    result = masker.mask(ids, sample_keys(key, np.arange(4), np.arange(4)), ratio, rows_per_block(0.3, 256))
    assert result.num_masked == num_masked
    parts = [array.tobytes() for array in (ids, result.gather, result.labels)]
    assert hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest() == digest
