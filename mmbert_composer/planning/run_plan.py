"""What a run will cost and serve, as plain numbers."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SourcePlan:
    """What a phase takes of a source; ``passes_max`` is that of the stream repeated most, over the run so far."""

    share: float
    tokens: int
    blocks: int
    passes_max: float | None
    streams: dict[str, tuple[int, float]]
    """ "source/language" to blocks in this phase and passes over it up to its end; empty where nothing is counted."""


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
    """Codes that are drawn, of all sources that are counted together; None where nothing is."""
    sources: dict[str, SourcePlan]


@dataclass(frozen=True)
class RunPlan:
    """A run in numbers."""

    phases: list[PhasePlan]
    tokens_per_step: int
    model: dict[str, Any]
    """The model's settings with the defaults of those that are not set; its ``vocab_size`` if that is known."""
    parameters: int | None
    checkpoint_bytes: int | None
    uncounted: tuple[str, ...] = ()
    """Sources that ``data.counts`` does not list: known by their totals alone."""
    warnings: list[str] = field(default_factory=list)

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
            "parameters": self.parameters,
            "checkpoint_bytes": self.checkpoint_bytes,
            "warnings": self.warnings,
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
