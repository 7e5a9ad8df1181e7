"""Masks keyed by (seed, sample, visit): the same on any number of ranks, workers and restarts. Pure numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.curriculum.permutation import combine, key_of, mix
from mmbert_composer.errors import UserError

IGNORE = -100
"""Label of a row that carries no loss."""

_ACTION = np.uint64(0xA5A5_5A5A_C3C3_3C3C)
_TOKEN = np.uint64(0x0F1E_2D3C_4B5A_6978)


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
        self._maskable = np.ones(vocab_size, bool)
        self._maskable[list(special_ids)] = False
        self._ordinary = np.flatnonzero(self._maskable)

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
        """
        num_blocks, block_size = input_ids.shape
        order = combine(keys[:, None], np.arange(block_size, dtype=np.uint64)[None])
        maskable = self._maskable[input_ids]
        order[~maskable] = np.iinfo(np.uint64).max
        gather = np.zeros((num_blocks, rows), np.int64)
        labels = np.full((num_blocks, rows), IGNORE, np.int64)
        num_masked = 0
        for block, count in enumerate(maskable.sum(axis=1).tolist()):
            if not count:
                continue
            wanted = min(rows, count, max(1, int(ratio * count + 0.5)))
            chosen = np.sort(np.argpartition(order[block], wanted - 1)[:wanted])
            gather[block, :wanted] = chosen + block * block_size
            ids = input_ids[block]
            labels[block, :wanted] = ids[chosen]
            hashes = order[block, chosen]
            action = (mix(hashes ^ _ACTION) >> np.uint64(11)).astype(np.float64) * 2.0**-53
            random = self._ordinary[(mix(hashes ^ _TOKEN) % np.uint64(len(self._ordinary))).astype(np.int64)]
            ids[chosen] = np.where(action < 0.8, self.mask_id, np.where(action < 0.9, random, ids[chosen]))
            num_masked += wanted
        return MaskedRows(gather.reshape(-1), labels.reshape(-1), num_masked)


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
