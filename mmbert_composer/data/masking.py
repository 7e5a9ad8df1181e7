"""Masks keyed by (seed, sample, visit): the same on any number of ranks, workers and restarts. Pure numpy."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.curriculum.permutation import combine, key_of, mix, range_steps
from mmbert_composer.errors import UserError

IGNORE = -100
"""Label of a row that carries no loss."""

_ACTION = np.uint64(0xA5A5_5A5A_C3C3_3C3C)
_TOKEN = np.uint64(0x0F1E_2D3C_4B5A_6978)
_LAST = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""Behind every hash: of positions that are never masked."""

_MASKED = np.uint64(int(0.8 * 2**53) << 11)
_RANDOM = np.uint64(int(0.9 * 2**53) << 11)
"""Hashes below the first become the mask token, those from there to the second a random one, the rest stays."""


@dataclass(frozen=True)
class MaskedRows:
    """What the head works on, in a static number of rows a block.

    ``gather``: [blocks * rows] flat positions, 0 in unused rows; ``labels``: [blocks * rows] original ids,
    -100 in unused rows; ``num_masked``: rows in use.
    """

    gather: NDArray[np.int64]
    labels: NDArray[np.int64]
    num_masked: int


class Masker:
    """Chooses positions and replaces tokens: 80 % mask, 10 % random, 10 % kept (in expectation).

    A keyed permutation orders a block's maskable positions (never special tokens, never padding) and the
    first round(ratio * maskable), at least one, are masked; so the positions at 5 % are among those at 15 %.

    Args:
        seed: of the run; ``purpose`` keeps training and held-out masks apart.
        vocab_size: of the tokenizer; random tokens come from all of it but the special ids.
        special_ids: never masked, never drawn.
        mask_id: id of the mask token.
    """

    def __init__(
        self, seed: int, *, vocab_size: int, special_ids: tuple[int, ...], mask_id: int, purpose: str = "train"
    ) -> None:
        self.seed = seed
        self.purpose = purpose
        self.mask_id = mask_id
        self._special = np.zeros(vocab_size, bool)
        self._special[list(special_ids)] = True
        self._ordinary = np.flatnonzero(~self._special)

    def stream_key(self, stream: str) -> int:
        """The key of a stream's masks: by name, so that adding a stream changes no other's masks."""
        return key_of(self.seed, "mask", self.purpose, stream)

    def mask(self, input_ids: NDArray[np.int64], keys: NDArray[np.uint64], ratio: float, rows: int) -> MaskedRows:
        """Mask each block in place.

        Args:
            input_ids: [blocks, block_size]; ids at chosen positions are replaced.
            keys: [blocks] from :func:`sample_keys`.
            ratio: in (0, 1).
            rows: static rows a block, at least round(ratio * block_size).

        Raises:
            UserError: an id that the vocabulary lacks.
        """
        num_blocks, block_size = input_ids.shape
        ids = input_ids.reshape(-1)
        try:
            special = np.flatnonzero(self._special[ids])
        except IndexError:
            raise UserError(
                f"a block holds the token {ids.max()}, the tokenizer has {len(self._special)}: the data is damaged, "
                f"see `mmbert prepare verify`"
            ) from None
        steps = range_steps(block_size)
        places: list[NDArray[np.int64]] = []
        found: list[NDArray[np.uint64]] = []
        rest = 0
        # Block by block: what is computed of one stays in the processor's cache.
        for block, end in enumerate(np.searchsorted(special, np.arange(1, num_blocks + 1) * block_size).tolist()):
            count = block_size - (end - rest)
            order = mix(steps + keys[block])
            order[special[rest:end] - block * block_size] = _LAST
            rest = end
            if count:
                wanted = min(rows, count, max(1, int(ratio * count + 0.5)))
                chosen, hashes = _smallest(order, wanted, count)
                places.append(chosen + block * block_size)
                found.append(hashes)
            else:
                places.append(np.empty(0, np.int64))
        place, hashes = np.concatenate(places), np.concatenate([*found, np.empty(0, np.uint64)])
        original = ids[place]

        action = mix(hashes ^ _ACTION)
        ids[place] = self.mask_id
        other = np.flatnonzero(action >= _MASKED)
        instead = original[other]
        random = np.flatnonzero(action[other] < _RANDOM)
        drawn = mix(hashes[other[random]] ^ _TOKEN) % np.uint64(len(self._ordinary))
        instead[random] = self._ordinary[drawn.astype(np.int64)]
        ids[place[other]] = instead

        gather = np.zeros(num_blocks * rows, np.int64)
        labels = np.full(num_blocks * rows, IGNORE, np.int64)
        # The n-th chosen position of a block goes to the block's n-th row.
        slot = np.concatenate([np.arange(len(chosen)) + block * rows for block, chosen in enumerate(places)])
        gather[slot] = place
        labels[slot] = original
        return MaskedRows(gather, labels, len(place))


def _smallest(order: NDArray[np.uint64], n: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Positions of the n smallest hashes, rising, and those hashes.

    ``order`` holds ``count`` different hashes, spread evenly over uint64, and _LAST. So the n-th smallest is known
    beforehand up to a few standard deviations, and only the hashes near it have to be put in order: that takes a
    quarter of the time of a partition of all.
    """
    margin = 6 * math.sqrt(n * (1 - n / count)) + 4
    low = np.uint64(int(max(0.0, n - margin) / count * 2**64))
    high = np.uint64(min(int((n + margin) / count * 2**64), int(_LAST) - 1))
    place = np.flatnonzero(order <= high)
    hashes = order[place]
    near = hashes[hashes >= low]
    left = n - (len(hashes) - len(near))  # of those near, how many are wanted
    if not 0 < left <= len(near):
        place = np.sort(np.argpartition(order, n - 1)[:n])
        return place, order[place]
    near.partition(left - 1)
    chosen = np.flatnonzero(hashes <= near[left - 1])
    return place[chosen], hashes[chosen]


def sample_keys(
    stream_keys: NDArray[np.uint64], index: NDArray[np.int64], visit: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """[blocks] the key of each block's masks: of its stream, its index in that stream and the visit."""
    return combine(combine(stream_keys, index.astype(np.uint64)), visit.astype(np.uint64))


def rows_per_block(largest_ratio: float, block_size: int) -> int:
    """Rows that the head computes for each block: fixed while ``largest_ratio`` (of a phase) is."""
    if not 0.0 < largest_ratio < 1.0:
        raise UserError(f"mask_ratio={largest_ratio} must be in (0, 1)")
    return max(1, int(largest_ratio * block_size + 0.5))
