"""The curriculum: every scheduled quantity as a pure function of the token clock."""

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmbert_composer.curriculum.batch_size import BatchSize, parse_batch_size
from mmbert_composer.curriculum.curve import Curve, parse_curve
from mmbert_composer.curriculum.phase import Phase, RopeTheta, SourceMixture, parse_mixture, parse_theta
from mmbert_composer.curriculum.tokens import format_tokens, parse_tokens
from mmbert_composer.errors import UserError

MOST_SEGMENTS = 100_000
"""A plan has a row for each segment and a column for each stream: 1.5 GB at 1,834 streams. mmBERT has 1,770."""


@dataclass(frozen=True)
class ScheduledPhase:
    """A phase placed on the clock; all times in slots from the start of the run."""

    name: str
    first_segment: int
    segments: int
    start_tok: int
    duration_tok: int
    requested_tok: int
    mask_ratio: Curve
    max_seq_len: int
    rope_theta: RopeTheta
    lr: Curve
    batch_size: BatchSize
    mixture: dict[str, SourceMixture]

    @property
    def end_tok(self) -> int:
        return self.start_tok + self.duration_tok


@dataclass(frozen=True)
class Scheduled:
    """The values that hold for the step whose first token is ``token``."""

    token: int
    phase: str
    mask_ratio: float
    max_seq_len: int
    rope_theta: RopeTheta
    lr: float
    batch_size: int


class Curriculum:
    """Phases on the token clock; ``curriculum.at(token)`` gives every scheduled value.

    Args:
        phases: the rows, in order.
        block_size: tokens in a block, padding included.
        segment_blocks: S, blocks in a segment; mixtures change at segment edges alone. A multiple of
            ``num_canonical_nodes`` and of every phase's final batch size.
        global_train_batch_size: blocks a step over all ranks, where a phase does not set ``batch_size``.
        batch_size_multiple: every batch size is a multiple of it; None is the global batch size.
        num_canonical_nodes: a segment is a multiple of it (Streaming); the order of blocks does not depend on it.
        max_passes: how often a stream's blocks may be drawn over the whole run; None is no limit.

    Raises:
        UserError: naming the phase and the key.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        *,
        block_size: int,
        segment_blocks: int,
        global_train_batch_size: int,
        batch_size_multiple: int | None = None,
        num_canonical_nodes: int = 8,
        max_passes: float | None = 5,
    ) -> None:
        if not phases:
            raise UserError("curriculum.phases is empty; write at least one phase")
        names = [phase.name for phase in phases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"curriculum.phases: two phases are named {twice[0]!r}")
        if max_passes is not None and max_passes <= 0:
            raise UserError(f"curriculum.max_passes={max_passes} must be above 0, or null for no limit")
        if segment_blocks < 1 or segment_blocks % num_canonical_nodes:
            raise UserError(
                f"data.segment_blocks={segment_blocks} must be a multiple of data.num_canonical_nodes="
                f"{num_canonical_nodes}; change either"
            )
        self.block_size = block_size
        self.segment_blocks = segment_blocks
        self.num_canonical_nodes = num_canonical_nodes
        self.max_passes = max_passes
        self.batch_size_multiple = batch_size_multiple or global_train_batch_size
        self.phases: list[ScheduledPhase] = []
        for phase in phases:
            self.phases.append(self._place(phase, global_train_batch_size))
        if self.num_segments > MOST_SEGMENTS:
            raise UserError(
                f"curriculum: the phases last {self.num_segments:,} segments of data.segment_blocks={segment_blocks}; "
                f"a plan of more than {MOST_SEGMENTS:,} does not fit into memory: raise data.segment_blocks, or "
                f"shorten a duration that is meant otherwise"
            )
        self._starts = [phase.start_tok for phase in self.phases]

    def _place(self, phase: Phase, global_batch: int) -> ScheduledPhase:
        where = f"phase {phase.name!r}"
        if phase.max_seq_len > self.block_size:
            raise UserError(
                f"{where}: max_seq_len={phase.max_seq_len} is above the block size of the data, {self.block_size}"
            )
        batch_size = parse_batch_size(
            global_batch if phase.batch_size is None else phase.batch_size,
            self.batch_size_multiple,
            f"{where}: batch_size",
        )
        final = batch_size.sizes[-1]
        if self.segment_blocks % final or self.segment_blocks % math.gcd(*batch_size.sizes):
            near = max(1, round(self.segment_blocks / math.lcm(final, self.num_canonical_nodes)))
            raise UserError(
                f"data.segment_blocks={self.segment_blocks} must be a multiple of the batch of {final} blocks "
                f"({where}); nearest: {near * math.lcm(final, self.num_canonical_nodes)}"
            )
        requested = parse_tokens(phase.duration, f"{where}: duration")
        segment_tok = self.segment_blocks * self.block_size
        segments = max(1, round(requested / segment_tok))
        lr = Curve(1.0, 1.0) if phase.lr is None else parse_curve(phase.lr, f"{where}: lr")
        if lr.low < 0:
            raise UserError(f"{where}: lr={lr.low:g} is a multiplier of optimizer.lr and cannot be negative")
        before = self.phases[-1] if self.phases else None
        return ScheduledPhase(
            name=phase.name,
            first_segment=before.first_segment + before.segments if before else 0,
            segments=segments,
            start_tok=before.end_tok if before else 0,
            duration_tok=segments * segment_tok,
            requested_tok=requested,
            mask_ratio=parse_curve(phase.mask_ratio, f"{where}: mask_ratio"),
            max_seq_len=phase.max_seq_len,
            rope_theta=parse_theta(phase.rope_theta, f"{where}: rope_theta"),
            lr=lr,
            batch_size=batch_size,
            mixture=parse_mixture(phase),
        )

    @property
    def total_tok(self) -> int:
        """The run's length in slots: ``max_duration``."""
        return self.phases[-1].end_tok

    @property
    def num_segments(self) -> int:
        return self.phases[-1].first_segment + self.phases[-1].segments

    @property
    def batch_divisor(self) -> int:
        """The greatest common divisor of every batch size: ranks x micro-batch must divide it."""
        return math.gcd(*(size for phase in self.phases for size in phase.batch_size.sizes))

    def phase_at(self, token: float) -> ScheduledPhase:
        """The phase that the token belongs to; past the end, the last one."""
        return self.phases[max(0, bisect.bisect_right(self._starts, token) - 1)]

    def at(self, token: int) -> Scheduled:
        """Every value for the step whose first token is ``token``."""
        phase = self.phase_at(token)
        inside, length = token - phase.start_tok, phase.duration_tok
        segment_tok = self.segment_blocks * self.block_size
        left = (segment_tok - token % segment_tok) // self.block_size
        return Scheduled(
            token=token,
            phase=phase.name,
            mask_ratio=phase.mask_ratio.at(inside, length),
            max_seq_len=phase.max_seq_len,
            rope_theta=phase.rope_theta,
            lr=phase.lr.at(inside, length),
            batch_size=min(phase.batch_size.at(inside, length), left),
        )

    def tau_at(self, segment: int) -> dict[str, float]:
        """Source to tau in a segment: the value at the segment's middle."""
        segment_tok = self.segment_blocks * self.block_size
        middle = (segment + 0.5) * segment_tok
        phase = self.phase_at(middle)
        return {
            source: parse_curve(mixture.tau, "tau").at(middle - phase.start_tok, phase.duration_tok)
            for source, mixture in phase.mixture.items()
        }

    def steps(self) -> Iterator[tuple[int, int]]:
        """(first token, blocks) of every step of the run; a segment's last step may be short."""
        token = 0
        while token < self.total_tok:
            blocks = self.at(token).batch_size
            yield token, blocks
            token += blocks * self.block_size

    def rounding(self) -> list[str]:
        """One line per phase whose duration was rounded to whole segments."""
        return [
            f"phase {phase.name!r}: {format_tokens(phase.requested_tok)} tokens became "
            f"{format_tokens(phase.duration_tok)} (whole segments of data.segment_blocks={self.segment_blocks}: "
            f"{phase.segments})"
            for phase in self.phases
            if phase.duration_tok != phase.requested_tok
        ]
