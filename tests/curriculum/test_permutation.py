import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.curriculum.permutation import key_of, permute, permute_in_windows


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


@given(st.integers(1, 3000), st.integers(1, 400), st.integers(0, 2**64 - 1))
def test_windows_are_a_permutation_and_neighbours_stay_together(size, window, key):
    image = permute_in_windows(np.arange(size), np.array(size), np.array(key, np.uint64), window)
    assert np.array_equal(np.sort(image), np.arange(size))
    for start in range(0, size, window):
        part = image[start : start + window]
        # the images of one window are neighbours on the ring of all
        around = np.sort((part - part[0] + window) % size)
        assert around[-1] - around[0] < window or size < 2 * window


def test_windows_come_in_another_order_for_another_key():
    images = [
        permute_in_windows(np.arange(1000), np.array(1000), np.array(key_of(n), np.uint64), 100) for n in range(200)
    ]
    firsts = np.array([image[0] for image in images])
    assert 0.35 < (firsts < 500).mean() < 0.65
    lasts = np.array([image[-1] for image in images])
    assert 0.35 < (lasts < 500).mean() < 0.65
    assert np.abs(np.diff(np.stack(images), axis=1)).mean() > 30  # shuffled inside


def test_many_sizes_in_windows_in_one_call():
    sizes = np.array([1, 2, 9, 10, 11, 100, 1001])
    stream = np.repeat(np.arange(len(sizes)), sizes)
    index = np.concatenate([np.arange(size) for size in sizes])
    keys = np.array([key_of(5, "blocks", n) for n in range(len(sizes))], np.uint64)
    image = permute_in_windows(index, sizes[stream], keys[stream], 10)
    for number, size in enumerate(sizes):
        assert np.array_equal(np.sort(image[stream == number]), np.arange(size))
        alone = permute_in_windows(np.arange(size), np.array(size), keys[number], 10)
        assert np.array_equal(alone, image[stream == number])
