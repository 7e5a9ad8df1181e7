"""A run folder as plain data: config, plan, phases, waves of languages, metrics, what was merged."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from mmbert_composer.curriculum.segment_plan import read_plan_json
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError
from mmbert_composer.report.read_metrics import Metrics, read_metrics

EARLIER_RUN = "an earlier run"
NOT_TRAINED = "held out only"


@dataclass(frozen=True)
class PhaseSpan:
    """Where a phase lies on the token clock (slots); ``wave`` is the index of its wave, and its colour."""

    name: str
    start_tok: int
    end_tok: int
    first_segment: int
    last_segment: int
    wave: int


@dataclass(frozen=True)
class Wave:
    """Streams that joined together: the phase in which they got their first block, and when it began."""

    name: str
    start_tok: int


@dataclass(frozen=True)
class RunRecord:
    """Everything the report shows.

    ``config``: the resolved YAML ({} where a run was built by hand). ``streams``: "source/language" of
    the plan, then those that were only measured. ``blocks``: [segments, streams] planned; ``cursors``:
    [streams] drawn before the run. ``wave_of``: [streams] index into ``waves``. ``held_blocks``: [streams]
    blocks the data holds; None where the data cannot be read any more, and ``data_problem`` says why.
    ``model``: the model's config, ``merge``: merged/merge.json; None where there is none.
    """

    folder: Path
    config: dict[str, Any]
    segment_tok: int
    block_size: int
    phases: tuple[PhaseSpan, ...]
    waves: tuple[Wave, ...]
    streams: tuple[str, ...]
    wave_of: NDArray[np.int64]
    blocks: NDArray[np.int64]
    cursors: NDArray[np.int64]
    held_blocks: NDArray[np.int64] | None
    data_problem: str
    log: Metrics
    model: dict[str, Any] | None
    merge: dict[str, Any] | None

    @property
    def total_tok(self) -> int:
        return self.phases[-1].end_tok

    @property
    def step_slots(self) -> NDArray[np.float64]:
        """[steps] slots that each step trained on."""
        token = self.log.steps["token"]
        if not len(token):
            return token
        last = self.log.steps["batch_size"][-1] * self.block_size
        steps = np.diff(token)
        if not np.isfinite(last):  # no batch_size_warmup: the step before was as long
            last = steps[-1] if len(steps) else 0.0
        return np.append(steps, last)

    @property
    def reached_tok(self) -> int:
        """Slots trained so far."""
        token = self.log.steps["token"]
        return int(token[-1] + self.step_slots[-1]) if len(token) else 0

    @property
    def finished(self) -> bool:
        """Whether the last step of the plan was taken."""
        return self.reached_tok >= self.total_tok

    @property
    def sources(self) -> list[str]:
        return sorted({name.split("/")[0] for name in self.streams})


def read_run(folder: Path) -> RunRecord:
    """Read a run folder, finished or still running.

    Raises:
        UserError: no metrics.jsonl, or no readable plan.json, in the folder.
    """
    log = read_metrics(folder / "metrics.jsonl")
    plan: dict[str, Any] = read_plan_json(folder / "plan.json")
    segment_tok = int(plan["segment_blocks"]) * int(plan["block_size"])
    planned = tuple(plan["streams"])
    measured = sorted({name for entry in log.evals for name in entry.streams} - set(planned))
    streams = (*planned, *measured)
    segments = plan["segments"]
    if not segments or not streams:
        raise UserError(f"{folder / 'plan.json'}: the plan is empty; there is nothing to report")
    blocks = np.zeros((len(segments), len(streams)), np.int64)
    blocks[:, : len(planned)] = [segment["blocks"] for segment in segments]
    cursors = np.zeros(len(streams), np.int64)
    cursors[: len(planned)] = plan["cursors"]
    phases, waves, wave_of = _waves([segment["phase"] for segment in segments], blocks, cursors, segment_tok)
    config = _read_config(folder / "config.yaml")
    held_blocks, data_problem = _held_blocks(config, streams)
    return RunRecord(
        folder=folder,
        config=config,
        segment_tok=segment_tok,
        block_size=int(plan["block_size"]),
        phases=phases,
        waves=waves,
        streams=streams,
        wave_of=wave_of,
        blocks=blocks,
        cursors=cursors,
        held_blocks=held_blocks,
        data_problem=data_problem,
        log=log,
        model=_read_json(folder / "model_config.json"),
        merge=_read_json(folder / "merged" / "merge.json"),
    )


def _waves(
    phase_of: list[str], blocks: NDArray[np.int64], cursors: NDArray[np.int64], segment_tok: int
) -> tuple[tuple[PhaseSpan, ...], tuple[Wave, ...], NDArray[np.int64]]:
    """Phases on the clock, and which wave each stream belongs to."""
    waves = [Wave(EARLIER_RUN, 0)] if cursors.any() else []
    phases, first = [], 0
    wave_of_segment = np.zeros(len(phase_of), np.int64)
    for name, group in itertools.groupby(phase_of):
        last = first + len(list(group))
        wave_of_segment[first:last] = len(waves)
        phases.append(PhaseSpan(name, first * segment_tok, last * segment_tok, first, last, len(waves)))
        waves.append(Wave(name, first * segment_tok))
        first = last
    wave_of = np.where(cursors > 0, 0, wave_of_segment[np.argmax(blocks > 0, axis=0)])
    untrained = (cursors == 0) & ~blocks.any(axis=0)
    if untrained.any():
        wave_of[untrained] = len(waves)
        waves.append(Wave(NOT_TRAINED, 0))
    return tuple(phases), tuple(waves), wave_of


def _held_blocks(config: Mapping[str, Any], streams: tuple[str, ...]) -> tuple[NDArray[np.int64] | None, str]:
    data = config.get("data") or {}
    root = data.get("cache") or data.get("root")  # of a remote: what is here of it
    if not root:
        return None, "config.yaml names no data.root"
    try:
        held = load_manifest(root).streams
    except UserError as error:
        return None, str(error)
    return np.array([held[name].blocks if name in held else 0 for name in streams], np.int64), ""


def _read_config(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    config = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(config, dict):
        raise UserError(f"{path}: this is no config of a run; it should hold keys and values")
    return {str(key): value for key, value in config.items()}


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not readable as JSON ({error}); remove it or write it again") from error
