"""Computed permutations: the i-th element in O(1), nothing stored.

A Feistel network over the smallest domain of 4 ** h elements that holds ``size``, with cycle walking:
an image outside [0, size) is encrypted again until it falls inside. Source: Black and Rogaway,
"Ciphers with arbitrary finite domains" (CT-RSA 2002).
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 6
_GOLDEN = 0x9E3779B97F4A7C15
_SHIFT = 0x5851F42D4C957F2D


def key_of(*parts: str | int) -> int:
    """A 64-bit key for what the randomness is for: ``key_of(seed, "mask", stream)``."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finalizer (Steele et al. 2014): a bijection of uint64 whose every output bit looks random."""
    # In place from here: fresh memory for every step costs more than the arithmetic.
    mixed = value >> np.uint64(30)
    mixed ^= value
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    shifted = mixed >> np.uint64(27)
    mixed ^= shifted
    mixed *= np.uint64(0x94D049BB133111EB)
    np.right_shift(mixed, np.uint64(31), out=shifted)
    mixed ^= shifted
    return mixed


def combine(key: NDArray[np.uint64], number: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A new key from a key and a number, elementwise."""
    return mix(key + np.uint64(_GOLDEN) * (number + np.uint64(1)))


def range_steps(count: int) -> NDArray[np.uint64]:
    """[count] so that ``mix(key + range_steps(count))`` is ``combine`` of one key with 0 to count - 1, no two alike."""
    return np.uint64(_GOLDEN) * np.arange(1, count + 1, dtype=np.uint64)


def permute(index: NDArray[np.int64], size: NDArray[np.int64], key: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Image of each index under the permutation of [0, size) that its key names; all arrays [n].

    Elementwise, so that one call serves many permutations of different sizes. 0 <= index < size.
    """
    index, size, key = (np.atleast_1d(array) for array in np.broadcast_arrays(index, size, key))
    # frexp gives the exponent e with size - 1 < 2 ** e: the bits that an index needs.
    bits = np.frexp(np.maximum(size - 1, 1).astype(np.float64))[1]
    half = ((bits + 1) // 2).astype(np.uint64)
    image = index.astype(np.uint64)
    pending = np.arange(len(image))
    while len(pending):
        image[pending] = _encrypt(image[pending], half[pending], key[pending])
        pending = pending[image[pending] >= size[pending].astype(np.uint64)]
    return image.astype(np.int64)


def permute_in_windows(
    index: NDArray[np.int64], size: NDArray[np.int64], key: NDArray[np.uint64], window: int
) -> NDArray[np.int64]:
    """As :func:`permute`, but any ``window`` images in a row (from a multiple of it on) are neighbours.

    Windows come in a keyed order, and what is in them in another; a keyed shift lets the last, shorter one lie
    anywhere. With a window of 2: [4, 3, 1, 0, 2] for instance.
    """
    index, size, key = (np.atleast_1d(array) for array in np.broadcast_arrays(index, size, key))
    windows = size // window
    number = index // window
    whole = number < windows
    chosen = np.where(whole, permute(np.where(whole, number, 0), np.maximum(windows, 1), key), windows)
    length = np.where(whole, window, size - windows * window)
    inside = permute(index - number * window, length, combine(key, chosen.astype(np.uint64)))
    shift = (mix(key ^ np.uint64(_SHIFT)) % size.astype(np.uint64)).astype(np.int64)
    return (chosen * window + inside + shift) % size


def _encrypt(value: NDArray[np.uint64], half: NDArray[np.uint64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = value >> half, value & mask
    for number in range(_ROUNDS):
        round_key = key + np.uint64(_GOLDEN * (number + 1) % (1 << 64))
        left, right = right, left ^ (mix(right + round_key) & mask)
    return (left << half) | right
