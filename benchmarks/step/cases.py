"""The rows of design's table that a CPU can run, at full size and at a size for a smoke test."""

from dataclasses import dataclass

from benchmarks.step.contenders import ModelShape

POOL = 512
ROWS_OF_PEER = 4


@dataclass(frozen=True)
class CpuCase:
    """Model, vocabulary and documents of some results."""

    name: str
    """Prefix of the results' names."""
    shape: ModelShape
    vocab_size: int
    block_size: int
    """Slots of our batch, one block."""
    longest: int
    """Tokens; where lengths are clipped."""
    documents: int
    """Of the pool that batches are made from, lengths as in ``draw_lengths``; 1 is a single one of ``longest``."""
    mask_ratio: float = 0.15
    with_default: bool = False
    """Whether transformers' default is run too: at 8,192 it fits in no ordinary machine."""


SMALL = ModelShape(hidden_size=384, num_hidden_layers=6, intermediate_size=1152, num_attention_heads=6)
"""mmBERT-small's widths in six layers instead of 22."""

TINY = ModelShape(hidden_size=32, num_hidden_layers=3, intermediate_size=48, num_attention_heads=2)

FULL = {
    "1024": CpuCase("cpu-1024", SMALL, 256_000, 4096, 1024, POOL, with_default=True),
    "8192": CpuCase("cpu-8192", SMALL, 64_000, 8192, 8192, 1),
}
QUICK = {
    "1024": CpuCase("cpu-1024", TINY, 2_048, 1024, 256, 48, with_default=True),
    "8192": CpuCase("cpu-8192", TINY, 1_024, 512, 512, 1),
}
