"""The rows of design's table, at full size and at a size for a smoke test."""

from dataclasses import dataclass

from benchmarks.step.contenders import ModelShape


@dataclass(frozen=True)
class CpuCase:
    """Model, vocabulary and documents of the results that a CPU gives."""

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


@dataclass(frozen=True)
class GpuCase:
    """The same for a GPU, where every document has ``longest`` tokens."""

    name: str
    shape: ModelShape
    vocab_size: int
    block_size: int
    longest: int
    mask_ratio: float
    blocks: int
    """Of our batch; halved until it fits."""
    matmul: int
    """Side of the square product that the peak is measured with."""
    all_rows: bool = True
    """Whether ratios and MFU are results; else they are notes beside the tokens a second."""


SMALL = ModelShape(hidden_size=384, num_hidden_layers=6, intermediate_size=1152, num_attention_heads=6)
"""mmBERT-small's widths in six layers instead of 22."""

BASE = ModelShape(hidden_size=768, num_hidden_layers=22, intermediate_size=1152, num_attention_heads=12)
"""mmBERT-base."""

TINY = ModelShape(hidden_size=32, num_hidden_layers=3, intermediate_size=48, num_attention_heads=2)

FULL: dict[str, CpuCase | GpuCase] = {
    "cpu-1024": CpuCase("cpu-1024", SMALL, 256_000, 4096, 1024, documents=512, with_default=True),
    "cpu-8192": CpuCase("cpu-8192", SMALL, 64_000, 8192, 8192, documents=1),
    "gpu-1024": GpuCase("gpu-1024", BASE, 256_000, 8192, 1024, mask_ratio=0.30, blocks=8, matmul=8192),
    "gpu-8192": GpuCase("gpu-8192", BASE, 256_000, 8192, 8192, mask_ratio=0.15, blocks=8, matmul=8192, all_rows=False),
}
QUICK: dict[str, CpuCase | GpuCase] = {
    "cpu-1024": CpuCase("cpu-1024", TINY, 2_048, 1024, 256, documents=48, with_default=True),
    "cpu-8192": CpuCase("cpu-8192", TINY, 1_024, 512, 512, documents=1),
    "gpu-1024": GpuCase("gpu-1024", TINY, 2_048, 1024, 128, mask_ratio=0.30, blocks=2, matmul=512),
    "gpu-8192": GpuCase("gpu-8192", TINY, 2_048, 1024, 1024, mask_ratio=0.15, blocks=2, matmul=512, all_rows=False),
}
