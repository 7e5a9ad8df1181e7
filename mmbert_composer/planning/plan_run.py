"""From settings, and data or counts, to a run's numbers: what ``mmbert plan`` prints."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import Curriculum, SegmentPlan, StreamSize, make_plan
from mmbert_composer.curriculum.mixture import select_streams
from mmbert_composer.curriculum.phase import ALL_STREAMS
from mmbert_composer.data.open_data import open_data
from mmbert_composer.data.stream_sizes import stream_sizes
from mmbert_composer.errors import UserError
from mmbert_composer.model_size import model_size
from mmbert_composer.planning.plan_warnings import plan_warnings
from mmbert_composer.planning.read_counts import read_counts
from mmbert_composer.planning.run_plan import PhasePlan, RunPlan, SourcePlan

MODERNBERT_BASE = {"hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22, "num_attention_heads": 12}
"""ModernBertConfig's own defaults, without the seconds that importing transformers takes."""

UNCOUNTED = StreamSize(1 << 50, 1 << 40)
"""Stands for a source of unknown size: it is never used up."""


@dataclass(frozen=True)
class _Streams:
    """What there is to draw from. ``uncounted``: sources that are known by their totals alone."""

    sizes: dict[str, StreamSize] | None
    vocab_size: int | None
    uncounted: frozenset[str] = frozenset()


def plan_run(config: RunConfig, cursors: dict[str, int] | None = None, *, vocab_size: int | None = None) -> RunPlan:
    """The run's numbers: per language where ``data.root`` exists or ``data.counts`` is given, else per source.

    Args:
        cursors: blocks of each stream drawn by the run that this one continues.
        vocab_size: tokens of the tokenizer, where there is no data that has one.

    Raises:
        UserError: a language that the data lacks, a source whose streams are all capped.
    """
    streams = _streams(config)
    curriculum = config.curriculum
    plan = None
    if streams.sizes is not None:
        plan = make_plan(curriculum, streams.sizes, data_seed=config.data.seed, cursors=cursors)
    steps = count_steps(curriculum)
    phases = [
        PhasePlan(
            name=phase.name,
            tokens=phase.duration_tok,
            steps=steps[phase.name],
            batch_sizes=phase.batch_size.sizes,
            mask_ratio=(phase.mask_ratio.start, phase.mask_ratio.end),
            max_seq_len=phase.max_seq_len,
            languages=None if plan is None else _languages(plan, phase.first_segment, phase.segments, streams),
            sources=_sources(config, plan, streams, number),
        )
        for number, phase in enumerate(curriculum.phases)
    ]
    model = MODERNBERT_BASE | config.model
    parameters = None
    if (vocab := streams.vocab_size or vocab_size) is not None:
        model["vocab_size"] = -(-vocab // 64) * 64
        parameters, _ = model_size(model)
    return RunPlan(
        phases=phases,
        tokens_per_step=max(max(phase.batch_size.sizes) for phase in curriculum.phases) * curriculum.block_size,
        model=model,
        parameters=parameters,
        # fp32 weights and the optimizer's two moments
        checkpoint_bytes=None if parameters is None else parameters * 12,
        uncounted=tuple(sorted(streams.uncounted)),
        warnings=[] if plan is None else plan_warnings(curriculum, plan, phases, streams.sizes or {}, cursors),
    )


def count_steps(curriculum: Curriculum) -> dict[str, int]:
    """Phase to its number of steps; only where the batch size changes are they counted one by one."""
    segment_tok = curriculum.segment_blocks * curriculum.block_size
    steps: dict[str, int] = {}
    for phase in curriculum.phases:
        curve = phase.batch_size.curve
        settled = phase.start_tok + (0 if curve.is_constant else curve.over_tok or phase.duration_tok)
        token, count = phase.start_tok, 0
        while token < phase.end_tok and (token < settled or token % segment_tok):
            token += curriculum.at(token).batch_size * curriculum.block_size
            count += 1
        rest = (phase.end_tok - token) // segment_tok
        steps[phase.name] = count + rest * -(-curriculum.segment_blocks // phase.batch_size.sizes[-1])
    return steps


def _streams(config: RunConfig) -> _Streams:
    source = config.data.source
    if source is not None and (source.is_remote or source.folder.exists()):
        manifest = open_data(source)
        if manifest.block_size != config.data.block_size:
            raise UserError(
                f"{config.data.root}: its blocks hold {manifest.block_size} tokens, but data.block_size is "
                f"{config.data.block_size}"
            )
        return _Streams(stream_sizes(manifest), manifest.vocab_size)
    if config.data.counts is None:
        return _Streams(None, None)
    sizes = read_counts(Path(config.data.counts), config.data.block_size)
    counted = {name.split("/", 1)[0] for name in sizes}
    asked = {source for phase in config.curriculum.phases for source in phase.mixture} - {ALL_STREAMS}
    uncounted = asked - counted
    if uncounted == asked and asked:
        raise UserError(
            f"data.counts {config.data.counts} lists none of the sources {', '.join(sorted(asked))}; it has "
            f"{', '.join(sorted(counted)) or 'nothing'}"
        )
    return _Streams(sizes | {f"{source}/und": UNCOUNTED for source in uncounted}, None, frozenset(uncounted))


def _languages(plan: SegmentPlan, first: int, segments: int, streams: _Streams) -> int:
    """How many different codes are drawn, sources that are not counted left out."""
    drawn = np.flatnonzero(plan.blocks[first : first + segments].sum(axis=0))
    names = [plan.streams[number].split("/", 1) for number in drawn]
    return len({language for source, language in names if source not in streams.uncounted})


def _sources(config: RunConfig, plan: SegmentPlan | None, streams: _Streams, number: int) -> dict[str, SourcePlan]:
    curriculum = config.curriculum
    phase = curriculum.phases[number]
    result: dict[str, SourcePlan] = {}
    for source, mixture in phase.mixture.items():
        if plan is None or streams.sizes is None or source in streams.uncounted:
            tokens = round(mixture.share * phase.duration_tok)
            result[source] = SourcePlan(mixture.share, tokens, tokens // curriculum.block_size, None, {})
            continue
        chosen = select_streams(source, mixture, streams.sizes, f"phase {phase.name!r}: mixture.{source}")
        columns = [plan.streams.index(name) for name in chosen]
        end = phase.first_segment + phase.segments
        blocks = plan.blocks[phase.first_segment : end, columns].sum(axis=0)
        passes = plan.cursors_at(end)[columns] / plan.stream_blocks[columns]
        total = int(blocks.sum())
        result[source] = SourcePlan(
            share=mixture.share,
            tokens=total * curriculum.block_size,
            blocks=total,
            passes_max=float(np.max(passes)),
            streams={name: (int(count), float(done)) for name, count, done in zip(chosen, blocks, passes, strict=True)},
        )
    return result
