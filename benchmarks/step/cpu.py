"""The CPU rows: a small model in fp32 (or bf16, apart), against transformers and against the floor."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.measure import (
    Result,
    Timing,
    available_memory,
    peak_memory,
    ratio_row,
    time_interleaved,
    trim_memory,
)
from benchmarks.step.agreement import Agreement
from benchmarks.step.cases import CpuCase
from benchmarks.step.contenders import Contender, Device, Ours, Peer, step
from benchmarks.step.documents import Document, draw_lengths, make_documents, pack_documents, real_tokens
from benchmarks.step.floor import Floor, Scratch
from mmbert_composer.runtime.kept_memory import give_back_freed_memory, keep_freed_memory

Documents = Sequence[Document]

ROWS_OF_PEER = 4
"""Sequences of a padded batch."""

OUR_STEPS, BEST_STEPS = 1, 4
"""Steps a round: about as many real tokens of ours as of the best peer's."""

AS_IT_COMES = "best-own-memory"
"""The best peer where freed memory goes back to the system, as it does unless a program asks otherwise."""

GOLDEN = 0.618034
"""Multiples of it, modulo 1, fall evenly into [0, 1) whatever their number: which batches a round takes."""


@dataclass
class Work:
    """Batches that a contender is timed on, and which of them a round takes."""

    contender: Contender
    batches: Sequence[Documents]
    steps: int
    kept_memory: bool = True
    """Whether what a step frees stays with the process (``mmbert_composer.runtime.kept_memory``)."""
    built: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def of_round(self, number: int) -> list[int]:
        """``steps`` indices, evenly spread over the batches in their order, others each round."""
        steps = min(self.steps, len(self.batches))
        stride = len(self.batches) / steps
        return [int((i + number * GOLDEN % 1) * stride) for i in range(steps)]

    def build(self, rounds: int) -> None:
        """Make the tensors before anything is timed."""
        for number in range(rounds):
            for index in self.of_round(number):
                self.built[index] = self.contender.batch(self.batches[index])

    def before(self, number: int) -> None:
        """Memory as in the middle of a training run: freed by a step before, or the system's."""
        trim_memory()
        if self.kept_memory:
            keep_freed_memory()
            step(self.contender, self.built[self.of_round(number)[0]])
        else:
            give_back_freed_memory()

    def __call__(self, number: int) -> float:
        """The steps of a round; returns their real tokens."""
        for index in self.of_round(number):
            step(self.contender, self.built[index])
        return sum(real_tokens(self.batches[index]) for index in self.of_round(number))


def run_case(
    case: CpuCase, *, rounds: int, attention: str = "auto", bf16: bool = False, seed: int = 0
) -> tuple[list[Result], list[str]]:
    """The results of one case, and notes: how well losses agree, spreads, the floor's rate, what was left out."""
    name = f"{case.name}-bf16" if bf16 else case.name
    documents = case_documents(case, seed)
    blocks = pack_documents(documents, case.block_size, seed)
    ours = make_ours(case, attention=attention, bf16=bf16)
    peers: dict[str, Contender] = {"default": Peer(ours, sparse=False)} if case.with_default else {}
    peers["best"] = Peer(ours, sparse=True)
    notes = []
    agreement = Agreement(ours, ours.batch(blocks[0]), blocks[0])
    for peer_name in list(peers):
        agrees, line = agreement.check(peer_name, peers[peer_name])
        notes.append(f"{name}: {line}")
        if not agrees:
            del peers[peer_name]
    agreement.gradients.clear()

    results = []
    work = {"ours": Work(ours, blocks, OUR_STEPS)}
    if "default" in peers:
        rows, lines = _memory(name, case, ours, blocks[0], peers["default"], documents)
        results += rows
        notes += lines
        typical = typical_batches(documents)[:rounds]
        if _fits(case, typical):
            work["default"] = Work(peers["default"], typical, 1, kept_memory=False)
        else:
            notes.append(f"{name}-vs-default left out: logits of a batch do not fit in the memory that is free")
    if "best" in peers:
        by_length = sorted(documents, key=lambda document: len(document.ids))
        work["best"] = Work(peers["best"], _batches(by_length), BEST_STEPS)
        work[AS_IT_COMES] = Work(peers["best"], _batches(by_length), BEST_STEPS, kept_memory=False)
    for part in work.values():
        part.build(rounds)
    floors = _floors(ours, case, work["ours"], rounds)

    def floor(number: int) -> float:
        chosen = work["ours"].of_round(number)
        for index in chosen:
            floors[index]()
        return sum(real_tokens(blocks[index]) for index in chosen)

    timings = time_interleaved(
        {**work, "floor": floor}, rounds, before={who: part.before for who, part in work.items()}
    )
    give_back_freed_memory()
    tokens = sum(map(real_tokens, blocks)) / len(blocks)
    note = f"ms for {tokens:,.0f} real tokens, a block of ours"
    for other in ("floor", AS_IT_COMES, "best", "default"):
        if other in timings:
            row = f"{name}-of-floor" if other == "floor" else f"{name}-vs-{other}"
            results.insert(0, ratio_row(row, timings["ours"], timings[other], note, scale=1e3 * tokens))
    flops = sum(floors[index].flops for index in floors) / len(floors)
    rate = flops / (timings["floor"].median * tokens)
    notes.append(f"{name}: floor of {flops / 1e9:,.0f} GFLOP and a softmax at {rate / 1e9:,.0f} GFLOP/s")
    notes += [_spread(f"{name}: {who}", timing, tokens) for who, timing in timings.items()]
    return results, notes


def make_ours(case: CpuCase, *, attention: str = "auto", bf16: bool = False) -> Ours:
    """Our model of a case, with random weights."""
    config = case.shape.config(case.vocab_size, case.longest)
    device = Device("cpu", bf16)
    return Ours(config, case.block_size, case.mask_ratio, case.longest, device, attention=attention)


def case_documents(case: CpuCase, seed: int) -> list[Document]:
    """The pool of a case."""
    one = case.documents == 1
    lengths = [case.longest] if one else draw_lengths(case.documents, seed, high=case.longest)
    return make_documents(lengths, case.vocab_size, case.mask_ratio, seed)


def typical_batches(documents: Documents) -> list[Documents]:
    """The pool's batches in its own (random) order, those first whose padding is nearest to that of the whole pool.

    A step on padded rows costs by the slot, so these few speak for the pool, where random ones would scatter by half.
    """
    batches = _batches(documents)
    whole = sum(map(_slots, batches)) / real_tokens(documents)
    return sorted(batches, key=lambda batch: abs(_slots(batch) / real_tokens(batch) - whole))


def _batches(documents: Documents) -> list[Documents]:
    return [documents[i : i + ROWS_OF_PEER] for i in range(0, len(documents), ROWS_OF_PEER)]


def _slots(batch: Documents) -> int:
    return len(batch) * max(len(document.ids) for document in batch)


def _fits(case: CpuCase, batches: list[Documents]) -> bool:
    """Whether all logits, their softmax and their gradient (fp32) leave the machine 2 GB."""
    free = available_memory()
    return free is None or max(map(_slots, batches)) * case.vocab_size * 4 * 3.2 + 2e9 < free


def _memory(
    name: str, case: CpuCase, ours: Ours, block: Documents, default: Contender, documents: Documents
) -> tuple[list[Result], list[str]]:
    """Peak of a step of ours on a full block, and of the default on the pool's largest batch: what each must have."""
    largest = max(_batches(documents), key=_slots)
    if not _fits(case, [largest]):
        return [], [f"{name}-memory left out: logits of {_slots(largest)} slots do not fit in the memory that is free"]
    sides: list[tuple[Contender, Documents]] = [(ours, block), (default, largest)]
    built = [(contender, contender.batch(batch)) for contender, batch in sides]
    for contender, batch in built:
        step(contender, batch)  # once before: what is made in a first step and kept is there
    mine, theirs = (peak_memory(lambda c=contender, b=batch: step(c, b)) for contender, batch in built)
    if mine is None or theirs is None:
        return [], [f"{name}-memory left out: this system keeps no high-water mark of memory that can be reset"]
    note = f"GB, process; {case.block_size} slots packed, {_slots(largest)} padded"
    return [Result(f"{name}-memory", mine / theirs, "x", mine / 1e9, theirs / 1e9, note)], []


def _floors(ours: Ours, case: CpuCase, work: Work, rounds: int) -> dict[int, Floor]:
    """The floor of every block that a round takes, on the same buffers."""
    scratch = Scratch("cpu", torch.bfloat16 if ours.device.bf16 else torch.float32)
    floors = {}
    for index in sorted({index for number in range(rounds) for index in work.of_round(number)}):
        block = work.batches[index]
        lengths = [len(document.ids) for document in block]
        masked = sum(len(document.labels) for document in block)
        floors[index] = Floor(ours.model.config, lengths, case.block_size, masked, scratch)
    return floors


def _spread(name: str, timing: Timing, tokens: float) -> str:
    low, high = (seconds * tokens * 1e3 for seconds in timing.spread)
    cpu = statistics.median(timing.cpu_seconds) * tokens * 1e3
    return f"{name}: {low:,.0f} to {high:,.0f} ms over {len(timing.seconds)} rounds, {cpu:,.0f} ms of all threads' CPU"
