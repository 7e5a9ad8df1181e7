"""Where the sequences of a packed batch lie: worked out once a forward, shared by all layers.

Legend: T packed tokens, S sequences, G sequences of a group, L its longest, P places of all groups together.
"""

from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from mmbert_composer.errors import UserError

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

    Args:
        cu_seqlens: int32 [S + 1], starts at 0, ends at the token count; equal neighbours (empty sequences) are
            allowed, so that the tensor can be padded to a fixed length with repeated ends.
        max_seqlen: longest sequence allowed; static within a phase.
        num_tokens: T, the rows of the batch.

    Raises:
        UserError: bounds that do not start at 0, fall, do not end at T, or hold a sequence above ``max_seqlen``.
    """

    def __init__(self, cu_seqlens: Tensor, max_seqlen: int, num_tokens: int) -> None:
        self.cu_seqlens = cu_seqlens
        self.max_seqlen = max_seqlen
        self.num_tokens = num_tokens
        self.device = cu_seqlens.device
        # Reading the bounds on the host is one synchronisation a forward on a GPU, none on a CPU.
        bounds = cu_seqlens.cpu().long()
        lengths = bounds.diff()
        if bounds.numel() < 2 or bounds[0] != 0 or bounds[-1] != num_tokens or bool((lengths < 0).any()):
            raise UserError(
                f"cu_seqlens must rise from 0 to the {num_tokens} tokens of the batch, "
                f"got {bounds[:1].tolist()} to {bounds[-1:].tolist()}: rows outside of it would be undefined"
            )
        self.longest = int(lengths.max())
        if self.longest > max_seqlen:
            raise UserError(
                f"a sequence of {self.longest} tokens is longer than max_seqlen={max_seqlen}: "
                f"cut sequences before they are packed into a batch"
            )
        keep = lengths > 0
        self._starts = bounds[:-1][keep]
        self._lengths = lengths[keep]
        self._window_masks: dict[tuple[int, int, torch.dtype], Tensor] = {}

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """(start, end) of every sequence that is not empty."""
        return [(s, s + n) for s, n in zip(self._starts.tolist(), self._lengths.tolist(), strict=True)]

    @cached_property
    def sequence(self) -> Tensor:
        """int64 [T], number of the sequence that each token belongs to."""
        return torch.repeat_interleave(self._lengths).to(self.device)

    @cached_property
    def positions(self) -> Tensor:
        """int64 [T], position of each token inside its sequence."""
        starts = torch.repeat_interleave(self._starts, self._lengths)
        return (torch.arange(self.num_tokens) - starts).to(self.device)

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
