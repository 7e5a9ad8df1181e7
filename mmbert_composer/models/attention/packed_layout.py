"""Where the sequences of a packed batch lie: worked out once a forward, shared by all layers.

Legend: T packed tokens, S sequences, G sequences of a group, L its longest, P places of all groups together.
"""

from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from mmbert_composer.data.check_bounds import check_bounds

# A group holds sequences this much shorter than its longest, at most: what bounds the work on padding.
GROUP_FILL = 0.8


class PaddedGroups(NamedTuple):
    """Sequences of similar length side by side, as padded batches that lie one after another in P places.

    Attributes:
        shapes: (G, L) of each group; the sum of G * L is P.
        masks: bool [G, 1, 1, L] for each group, True at real keys; None where all sequences have length L.
        token: int64 [P], the flat position that each place holds; padding repeats its sequence's first token.
        place: int64 [T], the place that each token holds.
        padding: int64 [P - T], places that are padding.
    """

    shapes: list[tuple[int, int]]
    masks: list[Tensor | None]
    token: Tensor
    place: Tensor
    padding: Tensor


class PackedLayout:
    """Sequence bounds of a packed batch and what the backends derive from them.

    Bounds that lie on the host are checked at once. Bounds that lie on a GPU are not: reading them back would make
    the host wait for the device in every forward, and ``pack_batch`` checked them when it built the batch. They are
    read, and then checked, where a backend needs them on the host (``sdpa``, ``reference``), or with ``check=True``.

    Args:
        cu_seqlens: [S + 1], starts at 0, ends at the token count; equal neighbours (empty sequences) are allowed, so
            that the tensor can be padded to a fixed length with repeated ends.
        max_seqlen: longest sequence allowed; static within a phase.
        num_tokens: T, the rows of the batch.
        device: where the tokens are; None is where the bounds are. Bounds on the host for tokens on a GPU are checked
            and moved, and no backend has to wait for them.
        check: True checks bounds on a GPU as well, for debugging.

    Attributes:
        cu_seqlens: int32 [S + 1] on ``device``.

    Raises:
        UserError: bounds that do not start at 0, fall, do not end at T, or hold a sequence above ``max_seqlen``.
    """

    def __init__(
        self,
        cu_seqlens: Tensor,
        max_seqlen: int,
        num_tokens: int,
        *,
        device: torch.device | None = None,
        check: bool = False,
    ) -> None:
        self.max_seqlen = max_seqlen
        self.num_tokens = num_tokens
        self.device = device or cu_seqlens.device
        self.cu_seqlens = cu_seqlens.to(self.device, torch.int32, non_blocking=True)
        self._given = cu_seqlens
        self._window_masks: dict[tuple[int, int, torch.dtype], Tensor] = {}
        if check or cu_seqlens.device.type == "cpu":
            _ = self._on_host

    @cached_property
    def _on_host(self) -> tuple[Tensor, Tensor]:
        """int64 starts and lengths of the sequences that are not empty, on the CPU, checked."""
        bounds = self._given.cpu().long()
        check_bounds(bounds.numpy(), self.max_seqlen, self.num_tokens)
        lengths = bounds.diff()
        keep = lengths > 0
        return bounds[:-1][keep], lengths[keep]

    @property
    def _starts(self) -> Tensor:
        return self._on_host[0]

    @property
    def _lengths(self) -> Tensor:
        return self._on_host[1]

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return int(self._lengths.max())

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """(start, end) of every sequence that is not empty."""
        return [(s, s + n) for s, n in zip(self._starts.tolist(), self._lengths.tolist(), strict=True)]

    @cached_property
    def sequence(self) -> Tensor:
        """int64 [T], number of the sequence that each token belongs to, empty ones counted."""
        # A search, because repeating the numbers would make the host wait for a GPU to tell the size of the result.
        tokens = torch.arange(self.num_tokens, dtype=torch.int32, device=self.device)
        return torch.searchsorted(self.cu_seqlens, tokens, right=True) - 1

    @cached_property
    def positions(self) -> Tensor:
        """int64 [T], position of each token inside its sequence."""
        return torch.arange(self.num_tokens, device=self.device) - self.cu_seqlens[self.sequence]

    @cached_property
    def groups(self) -> PaddedGroups:
        """Sequences sorted by length, in groups whose shortest is at least GROUP_FILL of the longest."""
        order = torch.argsort(self._lengths, descending=True, stable=True)
        lengths = self._lengths[order].tolist()
        edges = [0]
        for i, length in enumerate(lengths):
            if length < GROUP_FILL * lengths[edges[-1]]:
                edges.append(i)
        edges.append(len(lengths))
        shapes, masks, tokens, reals = [], [], [], []
        for first, end in pairwise(edges):
            members, longest = order[first:end], lengths[first]
            places = torch.arange(longest)
            starts = self._starts[members, None]
            real = places < self._lengths[members, None]
            shapes.append((end - first, longest))
            masks.append(None if lengths[end - 1] == longest else real[:, None, None, :].to(self.device))
            tokens.append(torch.where(real, starts + places, starts).flatten())
            reals.append(real.flatten())
        token, real = torch.cat(tokens), torch.cat(reals)
        place = torch.empty(self.num_tokens, dtype=torch.long)
        place[token[real]] = real.nonzero().squeeze(1)
        padding = (~real).nonzero().squeeze(1)
        return PaddedGroups(shapes, masks, token.to(self.device), place.to(self.device), padding.to(self.device))

    def window_mask(self, half: int, chunk: int, dtype: torch.dtype) -> Tensor:
        """[chunks, 1, chunk, chunk + 2 half] for tokens cut into chunks that also see ``half`` tokens on each side.

        0 where key and query share a sequence and are at most ``half`` apart, -inf elsewhere. Rows past the end of
        the last chunk see themselves: a query that sees no key would be NaN.
        """
        key = (half, chunk, dtype)
        if key not in self._window_masks:
            self._window_masks[key] = self._build_window_mask(half, chunk, dtype)
        return self._window_masks[key]

    def _build_window_mask(self, half: int, chunk: int, dtype: torch.dtype) -> Tensor:
        spare = -self.num_tokens % chunk
        sequence = torch.nn.functional.pad(self.sequence, (0, spare), value=-1)
        keys = torch.nn.functional.pad(sequence, (half, half), value=-2).unfold(0, chunk + 2 * half, chunk)
        same = sequence.view(-1, chunk, 1) == keys[:, None, :]
        query = torch.arange(chunk, device=self.device)
        key = torch.arange(chunk + 2 * half, device=self.device) - half
        near = (query[:, None] - key[None, :]).abs() <= half
        mask = torch.zeros(same.shape, dtype=dtype, device=self.device)
        return mask.masked_fill_(~(same & near), float("-inf"))[:, None]
