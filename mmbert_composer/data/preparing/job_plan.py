"""What one ``prepare`` does, frozen in ``DATA/.prepare/plan.json``: any process on any machine works on its tasks."""

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import InputSpec
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError

PLAN_FORMAT = 2
TASK_BYTES = 2_000_000_000
MIN_TASK_BYTES = 16 << 20
MIN_TASKS = 64
"""With little input, tasks are made smaller until there are so many: there may be as many cores."""
RANGE_BYTES = 256 << 20
"""A stream with more text is packed in several ranges of hashes of about this size each."""
COMPRESSED = (".gz", ".zst", ".zstd", ".parquet")
EXPANSION = 3
"""Text in a compressed byte, about: for estimates alone."""


@dataclass(frozen=True)
class Settings:
    """What the output depends on beside inputs and tokenizer."""

    block_size: int = 8192
    max_bad_fraction: float = 0.001
    """Of input lines; more bad ones fail the job before anything is encoded (one is always allowed unless 0)."""
    dedup: bool = False
    """Keep one of equal texts of a stream."""
    max_documents: int | None = None
    """Training documents a stream, over all its parts."""
    range_bytes: int = RANGE_BYTES

    def __post_init__(self) -> None:
        if self.block_size < 16:
            raise UserError(f"block_size={self.block_size} must be at least 16")
        if not 0 <= self.max_bad_fraction < 1:
            raise UserError(f"max_bad_fraction={self.max_bad_fraction} must be in [0, 1)")
        if self.max_documents is not None and self.max_documents < 1:
            raise UserError(f"max_documents={self.max_documents} must be at least 1")


@dataclass(frozen=True)
class PlannedInput:
    """What is read alike, and what is known of its text."""

    options: ReadOptions
    licence: str
    units: tuple[InputUnit, ...]


@dataclass(frozen=True)
class RouteTask:
    """Units that one task reads."""

    id: str
    """A hash of all that its spill depends on; the spill's name."""
    units: tuple[tuple[PlannedInput, InputUnit], ...]
    """With the input that each belongs to."""

    @property
    def bytes(self) -> int:
        """To read."""
        return sum(unit.size for _, unit in self.units)


@dataclass(frozen=True)
class JobPlan:
    """A frozen job. Tasks are numbered: route tasks first, then pack tasks."""

    part: str
    """Name of the part that it makes: "0000" for the first one."""
    tokenizer_hash: str
    tokenizers_version: str
    """Of the library: another one may tokenize otherwise."""
    settings: Settings
    inputs: tuple[PlannedInput, ...]
    task_bytes: int

    @property
    def input_bytes(self) -> int:
        """To read, as it lies there."""
        return sum(unit.size for planned in self.inputs for unit in planned.units)

    @property
    def text_bytes(self) -> int:
        """An estimate of the text in it."""
        return sum(expansion(unit) * unit.size for planned in self.inputs for unit in planned.units)

    @property
    def num_pack_tasks(self) -> int:
        """Into how many tasks the streams are dealt once they are known."""
        return max(1, -(-self.text_bytes // self.task_bytes))

    def route_tasks(self) -> list[RouteTask]:
        """Units grouped to about ``task_bytes``, in order."""
        tasks: list[RouteTask] = []
        group: list[tuple[PlannedInput, InputUnit]] = []
        size = 0
        for planned in self.inputs:
            for unit in planned.units:
                if group and size + unit.size > self.task_bytes:
                    tasks.append(self._route_task(group))
                    group, size = [], 0
                group.append((planned, unit))
                size += unit.size
        return [*tasks, self._route_task(group)]

    def _route_task(self, group: Sequence[tuple[PlannedInput, InputUnit]]) -> RouteTask:
        # The tokenizer: of inputs tokenized before, only what fits to it is kept.
        content = [[planned.options.to_json(), planned.licence, unit.to_json()] for planned, unit in group]
        digest = hashlib.sha256(json.dumps([PLAN_FORMAT, self.tokenizer_hash, content]).encode()).hexdigest()
        return RouteTask(digest[:16], tuple(group))

    def to_json(self) -> dict[str, Any]:
        """The content of ``plan.json``."""
        inputs = [
            {"options": p.options.to_json(), "licence": p.licence, "units": [unit.to_json() for unit in p.units]}
            for p in self.inputs
        ]
        return {
            "format": PLAN_FORMAT,
            "part": self.part,
            "tokenizer_hash": self.tokenizer_hash,
            "tokenizers_version": self.tokenizers_version,
            "settings": asdict(self.settings),
            "task_bytes": self.task_bytes,
            "inputs": inputs,
        }

    def save(self, path: Path) -> None:
        """Write it in one step."""
        write_json(path, self.to_json())


def load_plan(path: Path) -> JobPlan:
    """The plan at ``path``. Raises UserError when there is none, and for that of another version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
    except FileNotFoundError:
        raise UserError(f"no plan in {path.parent}: `mmbert prepare plan` or `run` makes it") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged: remove {path.parent.parent} and prepare again") from None
    if found != PLAN_FORMAT:
        raise UserError(
            f"{path} was made by another version of mmbert (plan format {found}, this version has {PLAN_FORMAT}): "
            "finish it with that version, or choose another --out"
        )
    inputs = tuple(
        PlannedInput(
            ReadOptions.from_json(planned["options"]),
            planned["licence"],
            tuple(InputUnit.from_json(unit) for unit in planned["units"]),
        )
        for planned in content["inputs"]
    )
    return JobPlan(
        part=content["part"],
        tokenizer_hash=content["tokenizer_hash"],
        tokenizers_version=content["tokenizers_version"],
        settings=Settings(**content["settings"]),
        inputs=inputs,
        task_bytes=content["task_bytes"],
    )


def make_plan(
    specs: Sequence[InputSpec], tokenizer_hash: str, settings: Settings, part: str, task_bytes: int | None
) -> JobPlan:
    """The plan for ``specs``: the same whatever their order, and however one GLOB is cut into several.

    ``task_bytes`` None: 2 GB, less for a small job.
    """
    if task_bytes is None:
        total = sum(unit.size for spec in specs for unit in spec.found.units)
        # A power of two: a file that is mended moves no other one to another task.
        task_bytes = min(max(1 << (total // MIN_TASKS).bit_length(), MIN_TASK_BYTES), TASK_BYTES)
    alike: dict[str, tuple[InputSpec, list[InputUnit]]] = {}
    for spec in specs:
        key = json.dumps([spec.kind, spec.options.to_json(), spec.licence], sort_keys=True)
        alike.setdefault(key, (spec, []))[1].extend(spec.units(task_bytes))
    inputs = tuple(
        PlannedInput(spec.options, spec.licence, tuple(sorted(units, key=lambda unit: (unit.path, unit.begin))))
        for _, (spec, units) in sorted(alike.items())
    )
    version = importlib.metadata.version("tokenizers")
    return JobPlan(part, tokenizer_hash, version, settings, inputs, task_bytes)


def expansion(unit: InputUnit) -> int:
    """Bytes of text in a byte of the unit, about."""
    return EXPANSION if unit.path.endswith(COMPRESSED) else 1
