"""One setting of the figure: documents of a length, fixed or varied, through every encoder that can take them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Result, ratio_row, time_interleaved
from benchmarks.throughput.encoders import MMBERT, Encoder, Padded

VERSUS = {"minilm": "mmbert-small", "mdistilbert": "mmbert-base", "xlm-r-base": "mmbert-base"}
"""Older encoder to the one of ours that it is set against."""

TOLERANCE = {"cpu": 1e-3, "cuda": 5e-2}
"""Largest difference from transformers' hidden states, relative to their largest value."""


@dataclass(frozen=True)
class Setting:
    """Which documents, how many at once."""

    name: str
    length: int
    """Tokens: of every document, or the clip of varied ones, which are Normal(length / 2, length / 8), at least 16."""
    varied: bool
    documents: int
    at_once: int
    """Documents of a forward pass, of every encoder."""

    def draw(self, vocab_size: int, seed: int = 42) -> list[Tensor]:
        """Random documents. Source: the ModernBERT efficiency benchmark (AnswerDotAI/ModernBERT, efficiency/)."""
        generator = np.random.default_rng(seed)
        lengths = np.full(self.documents, self.length)
        if self.varied:
            drawn = generator.normal(self.length / 2, self.length / 8, self.documents)
            lengths = np.clip(drawn.astype(int), min(16, self.length), self.length)
        return [torch.from_numpy(generator.integers(100, vocab_size, length)) for length in lengths]


class Pass:
    """An encoder over all documents of a setting, batches made before."""

    def __init__(self, encoder: Encoder, documents: Sequence[Tensor], at_once: int) -> None:
        self.encoder = encoder
        self.batches = [encoder.batch(documents[i : i + at_once]) for i in range(0, len(documents), at_once)]
        self.tokens = sum(map(len, documents))

    def __call__(self, number: int) -> float:
        with torch.inference_mode():
            for batch in self.batches:
                self.encoder.encode(batch)
        return self.tokens


def run_setting(
    setting: Setting, encoders: Mapping[str, Encoder], *, rounds: int, vocab_size: int, device: str
) -> tuple[list[Result], list[str]]:
    """Tokens a second of ours, and how many times those of the others; notes with every speed."""
    documents = setting.draw(vocab_size)
    encoders = {name: encoder for name, encoder in encoders.items() if encoder.longest >= setting.length}
    work = {name: Pass(encoder, documents, setting.at_once) for name, encoder in encoders.items()}
    prefix = f"{device.replace('cuda', 'gpu')}-{setting.name}"
    notes = []
    for name in MMBERT:
        twin = f"{name}-transformers"
        if name in work and twin in work:
            apart = _apart(encoders[name], encoders[twin], work[name].batches[0], work[twin].batches[0])
            agrees = apart <= TOLERANCE[device]
            verdict = "hidden states apart by" if agrees else "DISAGREES, row left out: hidden states apart by"
            notes.append(f"{prefix}: {name}: {verdict} {apart:.1e} of the largest")
            if not agrees:
                del work[twin]
    for name in work:
        if isinstance(encoders[name], Padded):
            work[name](0)  # warm-up; ours and its twin ran for the comparison
    timings = time_interleaved(work, rounds, warm_up=0)
    rows = []
    for name in [name for name in MMBERT if name in timings]:
        speed = 1 / timings[name].median
        rows.append(Result(f"{prefix}-{name}", speed, "tok/s", note=f"{work[name].tokens:,} real tokens a round"))
        against = [f"{name}-transformers", *(other for other, mine in VERSUS.items() if mine == name)]
        for other in [other for other in against if other in timings]:
            short = other.removeprefix(f"{name}-")
            row = ratio_row(f"{prefix}-{name}-vs-{short}", timings[name], timings[other], "us a token", scale=1e6)
            rows.append(row)
    speeds = ", ".join(f"{name} {1 / timing.median:,.0f}" for name, timing in timings.items())
    notes.append(f"{prefix}: tok/s: {speeds}")
    if device == "cpu":
        cpu = {name: statistics.median(timing.cpu_seconds) * 1e6 for name, timing in timings.items()}
        notes.append(f"{prefix}: us of CPU a token: {', '.join(f'{name} {spent:,.0f}' for name, spent in cpu.items())}")
    return rows, notes


def _apart(ours: Encoder, twin: Encoder, packed: Mapping[str, Any], padded: Mapping[str, Any]) -> float:
    with torch.inference_mode():
        mine = ours.encode(packed)
        theirs = twin.encode(padded)[padded["attention_mask"].bool()]
    return float((mine - theirs).abs().max() / theirs.abs().max())
