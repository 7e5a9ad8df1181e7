"""Many sequences of tokens in one array: what ``mds:`` reads and the spill sorts, without an object for each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TokenSequences:
    """Sequences of tokens end to end."""

    tokens: NDArray[np.uint32]
    """[tokens]."""
    ends: NDArray[np.int64]
    """[sequences]: where each ends; it begins where the one before ends."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> NDArray[np.int64]:
        """[sequences]."""
        return np.concatenate([[0], self.ends[:-1]]) if len(self.ends) else self.ends

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[sequences]."""
        return np.diff(self.ends, prepend=0)

    def arrays(self) -> list[NDArray[np.uint32]]:
        """Each sequence, a view of ``tokens``."""
        return [self.tokens[a:b] for a, b in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    def chosen(self, places: NDArray[np.int64]) -> "TokenSequences":
        """The sequences at ``places``, in that order."""
        arrays = self.arrays()
        tokens = [arrays[place] for place in places.tolist()]
        return TokenSequences(
            np.concatenate(tokens) if tokens else np.empty(0, np.uint32), np.cumsum(self.lengths[places])
        )
