"""What each language got and what it brought: one row a stream."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.languages import NO_LANGUAGE, language_name
from mmbert_composer.report.read_metrics import HeldOutEval
from mmbert_composer.report.read_run import RunRecord


@dataclass(frozen=True)
class StreamRow:
    """One stream; a number that the run does not have is NaN.

    ``label``: the language's English name, with the source where a run has several. ``shares``: part of
    each phase's blocks. ``blocks`` and ``tokens``: given so far, tokens without padding. ``passes`` over
    the stream's blocks, those of an earlier run included. ``before`` and ``after``: held-out loss in
    nats a masked token, at the last measurement before its wave joined (or the first one; NaN while it has
    not joined) and at the last one. ``masked``: the masked tokens of that last one.
    """

    name: str
    label: str
    source: str
    wave: int
    shares: tuple[float, ...]
    blocks: float
    tokens: float
    passes: float
    before: float
    after: float
    masked: float


def stream_rows(run: RunRecord) -> list[StreamRow]:
    """A row for each stream, by wave and then by blocks given, most first."""
    shares = phase_shares(run)
    blocks, tokens = _given(run)
    passes = np.full(len(run.streams), np.nan)
    if run.held_blocks is not None:
        held = np.maximum(run.held_blocks, 1)
        passes = np.where(run.held_blocks > 0, (run.cursors + blocks) / held, np.nan)
    rows = []
    last = run.log.evals[-1] if run.log.evals else None
    reached = run.reached_tok
    before = [
        _eval_before(run.log.evals, wave.start_tok) if wave.start_tok < reached or not wave.start_tok else None
        for wave in run.waves
    ]
    for i, name in enumerate(run.streams):
        wave = int(run.wave_of[i])
        after, masked = last.streams.get(name, (np.nan, np.nan)) if last else (np.nan, np.nan)
        first = before[wave]
        rows.append(
            StreamRow(
                name=name,
                label=stream_label(name, several_sources=len(run.sources) > 1),
                source=name.split("/")[0],
                wave=wave,
                shares=tuple(shares[:, i].tolist()),
                blocks=float(blocks[i]),
                tokens=float(tokens[i]),
                passes=float(passes[i]),
                before=first.streams.get(name, (np.nan, np.nan))[0] if first else np.nan,
                after=after,
                masked=masked,
            )
        )
    return sorted(rows, key=lambda row: (row.wave, -row.blocks, row.label))


def stream_label(name: str, *, several_sources: bool) -> str:
    """The name for people of a stream "source/language"."""
    source, _, language = name.partition("/")
    if language in ("", NO_LANGUAGE):
        return source
    label = language_name(language)
    return f"{label} · {source}" if several_sources else label


def phase_shares(run: RunRecord) -> NDArray[np.float64]:
    """[phases, streams] planned part of a phase's blocks."""
    totals = np.stack([run.blocks[phase.first_segment : phase.last_segment].sum(0) for phase in run.phases])
    return totals / totals.sum(1, keepdims=True)


def _given(run: RunRecord) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[streams] blocks and real tokens given so far, as logged; else blocks of the whole segments done."""
    if run.log.languages:
        seen = run.log.languages[-1].streams
        pairs = np.array([seen.get(name, (0.0, 0.0)) for name in run.streams])
        return pairs[:, 1], pairs[:, 0]
    done = len(run.blocks) if run.finished else run.reached_tok // run.segment_tok
    return run.blocks[:done].sum(0).astype(np.float64), np.full(len(run.streams), np.nan)


def _eval_before(evals: Sequence[HeldOutEval], start_tok: int) -> HeldOutEval | None:
    """The last measurement at or before ``start_tok``; the first of all where there is none."""
    earlier = [entry for entry in evals if entry.token <= start_tok]
    return earlier[-1] if earlier else next(iter(evals), None)


def wave_losses(run: RunRecord) -> dict[int, NDArray[np.float64]]:
    """Held-out loss of each wave over the evaluations: wave to [evals, 4].

    Columns: token, the mean over masked tokens, and the 10 % and 90 % quantile over the languages.
    """
    waves = {}
    for wave in range(len(run.waves)):
        names = [name for name, own in zip(run.streams, run.wave_of, strict=True) if own == wave]
        points = []
        for entry in run.log.evals:
            pairs = np.array([entry.streams[name] for name in names if name in entry.streams])
            pairs = pairs[np.isfinite(pairs[:, 0]) & (pairs[:, 1] > 0)] if len(pairs) else pairs
            if len(pairs):
                loss = np.average(pairs[:, 0], weights=pairs[:, 1])
                points.append([entry.token, loss, *np.quantile(pairs[:, 0], [0.1, 0.9])])
        if points:
            waves[wave] = np.array(points)
    return waves


def step_fill(run: RunRecord) -> NDArray[np.float64]:
    """[steps] part of a step's slots that held real tokens.

    NaN where it is not known: at the first step, before which a run that continues another one may have
    counted already, and where the step before is missing.
    """
    real = np.append(np.nan, np.diff(run.log.steps["tokens_real"])) if run.log.phases else np.zeros(0)
    slots = run.step_slots
    return np.where(slots > 0, real / np.maximum(slots, 1), np.nan)
