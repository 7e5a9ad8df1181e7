"""The floor of a training step: what its matmuls and one softmax over the logits cost when nothing else is done.

Counted, each as a plain ``torch.mm`` or ``torch.bmm`` into memory that is there already (T packed tokens, D width,
I intermediate, N heads, H head width, M masked tokens, V vocabulary):

- every layer: Wqkv [T, D] x [D, 3D], Wo [T, D] x [D, D], MLP [T, D] x [D, 2I] and [T, I] x [I, D];
- head [M, D] x [D, D] and decoder [M, D] x [D, V], on the M masked tokens alone;
- each of these three times: forward, gradient of the input, gradient of the weight;
- attention of a global layer: for every document of L tokens scores [N, L, H] x [N, H, L] and values
  [N, L, L] x [N, L, H], in tiles of 512 queries x 512 keys of one head where L is longer, so that no square of a long
  document goes through memory and a tile stays in a cache; of a local layer, for every chunk of half a window C:
  [N, C, H] x [N, H, 3C] and [N, C, 3C] x [N, 3C, H], the least that tiles of C can do; each of these three times as
  well (forward, and the gradients of both factors);
- one softmax over the logits [M, V], in place.

Not counted: normalisation, GLU, rotation, the softmax of attention, embedding lookup and its gradient, recomputation.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import ModernBertConfig

TILE = 512


class Product(NamedTuple):
    """``times`` products [batch, m, k] x [batch, k, n]; ``batch`` 0 is a plain matrix."""

    times: int
    batch: int
    m: int
    k: int
    n: int

    @property
    def flops(self) -> int:
        return 2 * self.times * max(1, self.batch) * self.m * self.k * self.n


def products_of_step(config: ModernBertConfig, lengths: Sequence[int], num_tokens: int, masked: int) -> list[Product]:
    """Forward products of a step on documents of ``lengths`` in ``num_tokens`` slots, ``masked`` of them masked."""
    layers, width, inner = config.num_hidden_layers, config.hidden_size, config.intermediate_size
    heads = config.num_attention_heads
    head_width = width // heads
    global_layers = -(-layers // config.global_attn_every_n_layers)
    chunk = config.local_attention // 2
    dense = [(width, 3 * width), (width, width), (width, 2 * inner), (inner, width)]
    products = [Product(layers, 0, num_tokens, k, n) for k, n in dense]
    products += [Product(1, 0, masked, width, width), Product(1, 0, masked, width, config.vocab_size)]
    tiles: list[tuple[int, int, int, int]] = []  # (times, heads or 0, queries, keys)
    for length in lengths:
        if length <= TILE:
            tiles.append((global_layers, heads, length, length))
        else:
            sides = [(length // TILE, TILE), (1, length % TILE)]
            tiles += [(global_layers * heads * i * j, 0, m, n) for i, m in sides for j, n in sides]
    tiles.append((layers - global_layers, heads * -(-num_tokens // chunk), chunk, 3 * chunk))
    for times, batch, queries, keys in tiles:
        products.append(Product(times, batch, queries, head_width, keys))
        products.append(Product(times, batch, queries, keys, head_width))
    return [product for product in products if product.flops]


class Scratch:
    """Memory that every product of the floor reads and writes: three flat buffers, grown to the largest use."""

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self._flat = [torch.empty(0, device=device, dtype=dtype)] * 3

    def tensor(self, which: int, *shape: int) -> Tensor:
        size = 1
        for length in shape:
            size *= length
        if self._flat[which].numel() < size:
            self._flat[which] = torch.empty(size, device=self.device, dtype=self.dtype)
            self._flat[which].normal_(
                0, 0.1
            )  # products stay small: a softmax of large numbers is slower, and wrong here
        return self._flat[which][:size].view(shape)


class Floor:
    """All of it for one batch; calling it does the work once."""

    def __init__(
        self, config: ModernBertConfig, lengths: Sequence[int], num_tokens: int, masked: int, scratch: Scratch
    ) -> None:
        self.products = products_of_step(config, lengths, num_tokens, masked)
        self.logits = (masked, config.vocab_size)
        self.scratch = scratch
        for _ in self._operands():
            pass  # the buffers have grown before the first call is timed

    @property
    def flops(self) -> int:
        return 3 * sum(product.flops for product in self.products)

    def _operands(self) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """(times, left, right, out) of every product and of the two that its gradients need."""
        tensor = self.scratch.tensor
        for times, batch, m, k, n in self.products:
            lead = (batch,) if batch else ()
            # A weight lies as [n, k], so do keys; values lie as [k, n], for them the transpose moves to the gradient.
            yield times, tensor(0, *lead, m, k), tensor(1, *lead, n, k).mT, tensor(2, *lead, m, n)
            yield times, tensor(0, *lead, m, n), tensor(1, *lead, n, k), tensor(2, *lead, m, k)
            yield times, tensor(0, *lead, m, n).mT, tensor(1, *lead, m, k), tensor(2, *lead, n, k)

    def __call__(self) -> None:
        for times, left, right, out in self._operands():
            product = torch.bmm if left.dim() == 3 else torch.mm
            for _ in range(times):
                product(left, right, out=out)
        logits = self.scratch.tensor(2, *self.logits)
        torch.softmax(logits, 1, out=logits)
