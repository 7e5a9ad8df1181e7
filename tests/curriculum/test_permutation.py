import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.curriculum.permutation import key_of, permute


@given(st.integers(1, 5000), st.integers(0, 2**64 - 1))
def test_is_a_permutation(size, key):
    image = permute(np.arange(size), np.array(size), np.array(key, np.uint64))
    assert np.array_equal(np.sort(image), np.arange(size))


def test_many_sizes_in_one_call():
    sizes = np.array([1, 2, 3, 7, 100, 4096, 4097])
    stream = np.repeat(np.arange(len(sizes)), sizes)
    index = np.concatenate([np.arange(size) for size in sizes])
    keys = np.array([key_of(5, "blocks", n) for n in range(len(sizes))], np.uint64)
    image = permute(index, sizes[stream], keys[stream])
    for number, size in enumerate(sizes):
        assert np.array_equal(np.sort(image[stream == number]), np.arange(size))
        alone = permute(np.arange(size), np.array(size), keys[number])
        assert np.array_equal(alone, image[stream == number])


def test_a_large_domain_needs_no_table():
    size = 366_000_000
    image = permute(np.arange(1000), np.array(size), np.array(key_of(1, "x"), np.uint64))
    assert len(np.unique(image)) == 1000
    assert (image < size).all()
    assert 0.4 < (image < size // 2).mean() < 0.6


def test_looks_random():
    # every position is hit about equally often over keys, and neighbours do not stay together
    size = 10
    images = np.stack([permute(np.arange(size), np.array(size), np.array(key_of(n), np.uint64)) for n in range(2000)])
    hits = np.stack([(images == value).sum(axis=0) for value in range(size)])
    assert hits.min() > 130
    assert hits.max() < 270
    assert (np.abs(np.diff(images, axis=1)) == 1).mean() < 0.3


def test_keys_differ_by_purpose():
    assert len({key_of(1, "mask"), key_of(1, "blocks"), key_of(2, "mask"), key_of("1", "mask")}) == 4
