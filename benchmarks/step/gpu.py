"""The GPU rows: mmBERT-base in bf16 autocast, tokens a second, against transformers and against the matmul peak.

MFU = model FLOPs of a step (``mmbert_composer.models.flops``: forward and backward on real tokens, attention by the
pairs that see each other, head on masked tokens; nothing for recomputation) / seconds of the step / peak FLOP/s.
The row's peak is what a plain bf16 product of 8,192^3 random numbers reaches on this GPU in the same rounds; the
vendor's figure, which no product reaches, gives the MFU of the note.
"""

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils import is_flash_attn_2_available

from benchmarks.measure import Result, Timing, peak_memory, ratio_row, time_interleaved
from benchmarks.step.agreement import Agreement
from benchmarks.step.cases import GpuCase
from benchmarks.step.contenders import Contender, Device, Ours, Peer, step
from benchmarks.step.documents import Document, make_documents
from mmbert_composer.models.flops import step_flops

STEPS = 5
"""Of each contender a round."""

SIZES = (64, 48, 32, 24, 16, 8, 4, 2, 1)
"""Sequences of 1,024 (or as many slots of longer ones) that a padded batch may have: the largest that fits is used."""


@dataclass
class Work:
    """A contender and the batch that its steps repeat: shapes stay as in training, so nothing compiles anew."""

    contender: Contender
    batch: Mapping[str, Any]
    tokens: int

    def __call__(self, number: int) -> float:
        for _ in range(STEPS):
            step(self.contender, self.batch)
        return STEPS * self.tokens


def run_case(case: GpuCase, *, rounds: int, attention: str = "auto", seed: int = 0) -> tuple[list[Result], list[str]]:
    """The results of one case, and notes."""
    ours = make_ours(case, attention=attention)
    documents = case_documents(case, seed)
    first = _ours_that_fits(case, ours, documents)
    if first is None:
        return [], [f"{case.name} left out: not even one block of ours fits"]
    work, notes = _peers_that_fit(case, first, documents)
    work = {"ours": first, **work}
    for who, part in work.items():
        peak = peak_memory(lambda part=part: step(part.contender, part.batch), "cuda") or 0
        notes.append(f"{case.name}: {who}: {part.tokens:,} tokens a step, {peak / 1e9:.1f} GB at the peak")
    timings = time_interleaved({**work, "matmul": _MatmulPeak(case.matmul)}, rounds)
    notes += [f"{case.name}: {who}: {1 / timings[who].median:,.0f} tok/s" for who in work]
    speed, *others = _rows(case, ours, first, documents, timings)
    if case.all_rows:
        return [speed, *others], notes
    return [speed], [*notes, *(f"{row.name}: {row.value:.3g} {row.unit} ({row.note})" for row in others)]


def _ours_that_fits(case: GpuCase, ours: Ours, documents: list[Document]) -> Work | None:
    a_block, blocks = case.block_size // case.longest, case.blocks
    while blocks:
        chosen = documents[: blocks * a_block]
        work = _fitting(ours, ours.blocks([chosen[i * a_block :][:a_block] for i in range(blocks)]), chosen)
        if work is not None:
            return work
        blocks //= 2
    return None


def _peers_that_fit(case: GpuCase, first: Work, documents: list[Document]) -> tuple[dict[str, Work], list[str]]:
    """transformers as it comes, and with what makes it fast where that is installed, on the largest batch that fits."""
    ours = first.contender
    assert isinstance(ours, Ours)
    notes, work = [], {}
    flash = is_flash_attn_2_available()
    if not flash:
        notes.append(f"{case.name}-vs-best: flash-attn is not installed, the best peer runs sdpa")
    best = Peer(ours, sparse=True, attention="flash_attention_2" if flash else "sdpa", compile=True)
    # Of the batch that is timed: one of another shape would compile again.
    agreement = Agreement(ours, first.batch, documents[: first.tokens // case.longest])
    for name, peer in (("default", Peer(ours, sparse=False)), ("best", best)):
        agrees, line = agreement.check(name, peer)
        notes.append(f"{case.name}: {line}")
        sizes = iter(SIZES if agrees else ())
        while name not in work and (size := next(sizes, None)) is not None:
            chosen = documents[: max(1, size * 1024 // case.longest)]
            found = _fitting(peer, peer.batch(chosen), chosen)
            if found is not None:
                work[name] = found
    return work, notes


def _rows(
    case: GpuCase, ours: Ours, first: Work, documents: list[Document], timings: Mapping[str, Timing]
) -> list[Result]:
    chosen = documents[: first.tokens // case.longest]
    masked = sum(len(document.labels) for document in chosen)
    flops = step_flops(ours.model.config.to_dict(), [case.longest] * len(chosen), masked).total / first.tokens
    speed, peak = 1 / timings["ours"].median, 1 / timings["matmul"].median
    vendor = _vendor_peak()
    note = "TFLOP/s; peak measured"
    if vendor:
        note += f"; MFU {speed * flops / vendor:.1%} of the vendor's {vendor / 1e12:.0f}"
    return [
        Result(f"{case.name}-tokens", speed, "tok/s", note=f"{first.tokens:,} tokens a step"),
        *(
            ratio_row(f"{case.name}-vs-{who}", timings["ours"], timings[who], "us a token", scale=1e6)
            for who in ("default", "best")
            if who in timings
        ),
        Result(f"{case.name}-mfu", speed * flops / peak, "of peak", speed * flops / 1e12, peak / 1e12, note),
    ]


def make_ours(case: GpuCase, *, attention: str = "auto") -> Ours:
    """Our model of a case, with random weights, compiled where it compiles."""
    config = case.shape.config(case.vocab_size, case.longest)
    device = Device("cuda", bf16=True)
    return Ours(config, case.block_size, case.mask_ratio, case.longest, device, attention=attention)


def case_documents(case: GpuCase, seed: int) -> list[Document]:
    """Enough documents of exactly ``longest`` for every contender's batch."""
    count = max(case.blocks * case.block_size, SIZES[0] * 1024) // case.longest
    return make_documents([case.longest] * max(1, count), case.vocab_size, case.mask_ratio, seed)


def _vendor_peak() -> float | None:
    """Dense bf16 FLOP/s by Composer's table; None where it does not know the GPU, or callbacks cannot be imported."""
    try:
        from mmbert_composer.callbacks.device_peak import device_peak
    except ImportError:
        return None
    return device_peak("amp_bf16")


class _MatmulPeak:
    """Products of square bf16 matrices; returns their FLOPs."""

    def __init__(self, size: int) -> None:
        self.left, self.right = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        self.out = torch.empty_like(self.left)

    def __call__(self, number: int) -> float:
        for _ in range(20):
            torch.mm(self.left, self.right, out=self.out)
        return 20 * 2 * self.left.shape[0] ** 3


def _fitting(contender: Contender, batch: Mapping[str, Any], documents: list[Document]) -> Work | None:
    """Work on this batch if two steps of it fit in memory."""
    try:
        for _ in range(2):
            step(contender, batch)
    except torch.cuda.OutOfMemoryError:
        contender.model.zero_grad()
    else:
        return Work(contender, batch, sum(len(document.ids) for document in documents))
    gc.collect()  # outside of the handler, where the traceback would still hold the step's tensors
    torch.cuda.empty_cache()
    return None
