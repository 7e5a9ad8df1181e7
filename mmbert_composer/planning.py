"""What a run will cost and serve, from its settings alone or with its data: the numbers behind ``mmbert plan``."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import SegmentPlan, StreamSize, make_plan
from mmbert_composer.curriculum.mixture import select_streams
from mmbert_composer.data.open_data import open_data
from mmbert_composer.data.stream_sizes import stream_sizes
from mmbert_composer.errors import UserError
from mmbert_composer.model_size import model_size

MODERNBERT_BASE = {"hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22}
"""ModernBertConfig's own defaults, without the seconds that importing transformers takes."""


@dataclass(frozen=True)
class SourcePlan:
    """What a phase takes of a source; ``passes_max`` is that of the stream repeated most, over the run so far."""

    share: float
    tokens: int
    blocks: int
    passes_max: float | None
    streams: dict[str, tuple[int, float]]
    """"source/language" to blocks in this phase and passes over it up to its end."""


@dataclass(frozen=True)
class PhasePlan:
    """A phase in numbers; tokens are slots."""

    name: str
    tokens: int
    steps: int
    batch_sizes: list[int]
    mask_ratio: tuple[float, float]
    max_seq_len: int
    languages: int | None
    sources: dict[str, SourcePlan]


@dataclass(frozen=True)
class RunPlan:
    """A run in numbers."""

    phases: list[PhasePlan]
    tokens_per_step: int
    parameters: int | None
    checkpoint_bytes: int | None

    @property
    def total_tokens(self) -> int:
        return sum(phase.tokens for phase in self.phases)

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def to_json(self) -> dict[str, Any]:
        """What ``mmbert plan --json`` writes."""
        return {
            "total_tokens": self.total_tokens,
            "steps": self.steps,
            "phases": [
                {
                    "name": phase.name,
                    "tokens": phase.tokens,
                    "steps": phase.steps,
                    "languages": phase.languages,
                    "sources": {
                        name: {
                            "share": source.share,
                            "tokens": source.tokens,
                            "blocks": source.blocks,
                            "passes_max": source.passes_max,
                        }
                        for name, source in phase.sources.items()
                    },
                }
                for phase in self.phases
            ],
        }


def plan_run(config: RunConfig, cursors: dict[str, int] | None = None) -> RunPlan:
    """The run's numbers: per language where ``data.root`` exists or ``data.counts`` is given, else per source.

    Raises:
        UserError: a language that the data lacks, a source whose streams are all capped.
    """
    sizes, vocab_size = _sizes(config)
    curriculum = config.curriculum
    plan = None if sizes is None else make_plan(curriculum, sizes, data_seed=config.data.seed, cursors=cursors)
    steps = {phase.name: 0 for phase in curriculum.phases}
    for token, _ in curriculum.steps():
        steps[curriculum.phase_at(token).name] += 1
    phases = [
        PhasePlan(
            name=phase.name,
            tokens=phase.duration_tok,
            steps=steps[phase.name],
            batch_sizes=phase.batch_size.sizes,
            mask_ratio=(phase.mask_ratio.start, phase.mask_ratio.end),
            max_seq_len=phase.max_seq_len,
            languages=None if plan is None else _drawn(plan, phase.first_segment, phase.segments),
            sources=_sources(config, plan, sizes, number),
        )
        for number, phase in enumerate(curriculum.phases)
    ]
    parameters = None
    if vocab_size is not None:
        parameters, _ = model_size(MODERNBERT_BASE | config.model | {"vocab_size": -(-vocab_size // 64) * 64})
    return RunPlan(
        phases=phases,
        tokens_per_step=max(max(phase.batch_size.sizes) for phase in curriculum.phases) * curriculum.block_size,
        parameters=parameters,
        # fp32 weights and the optimizer's two moments
        checkpoint_bytes=None if parameters is None else parameters * 12,
    )


def _sizes(config: RunConfig) -> tuple[dict[str, StreamSize] | None, int | None]:
    source = config.data.source
    if source is not None and (source.is_remote or source.folder.exists()):
        manifest = open_data(source)
        if manifest.block_size != config.data.block_size:
            raise UserError(
                f"{config.data.root}: its blocks hold {manifest.block_size} tokens, but data.block_size is "
                f"{config.data.block_size}"
            )
        return stream_sizes(manifest), manifest.vocab_size
    if config.data.counts is not None:
        return read_counts(Path(config.data.counts), config.data.block_size), None
    return None, None


def read_counts(path: Path, block_size: int) -> dict[str, StreamSize]:
    """Streams from a CSV with the columns source, language and tokens."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if not {"source", "language", "tokens"} <= set(reader.fieldnames or ()):
                raise UserError(f"data.counts {path}: needs the columns source, language and tokens")
            sizes: dict[str, StreamSize] = {}
            for row in reader:
                try:
                    tokens = int(float(row["tokens"]))
                except (ValueError, TypeError) as error:
                    raise UserError(f"data.counts {path}, line {reader.line_num}: tokens={row['tokens']!r}") from error
                if tokens > 0:
                    sizes[f"{row['source']}/{row['language']}"] = StreamSize(tokens, -(-tokens // block_size))
            return sizes
    except OSError as error:
        raise UserError(f"data.counts {path} cannot be read: {error.strerror}") from error


def _drawn(plan: SegmentPlan, first: int, segments: int) -> int:
    return int((plan.blocks[first : first + segments].sum(axis=0) > 0).sum())


def _sources(
    config: RunConfig, plan: SegmentPlan | None, sizes: dict[str, StreamSize] | None, number: int
) -> dict[str, SourcePlan]:
    curriculum = config.curriculum
    phase = curriculum.phases[number]
    result: dict[str, SourcePlan] = {}
    for source, mixture in phase.mixture.items():
        if plan is None or sizes is None:
            tokens = round(mixture.share * phase.duration_tok)
            result[source] = SourcePlan(mixture.share, tokens, tokens // curriculum.block_size, None, {})
            continue
        chosen = select_streams(source, mixture, sizes, f"phase {phase.name!r}: mixture.{source}")
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
