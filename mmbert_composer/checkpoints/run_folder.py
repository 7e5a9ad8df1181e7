"""What a run folder says about its model, phases and clock, without the process that trained it.

Reads ``config.yaml`` (resolved), ``plan.json``, ``model_config.json`` and ``tokenizer/``. A folder of a plain Composer
run has no plan: then there are no phases, and the model config alone counts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mmbert_composer.curriculum.phase import RopeTheta, parse_theta
from mmbert_composer.errors import UserError

MODEL_CONFIG = "model_config.json"
TOKENIZER = "tokenizer"


@dataclass(frozen=True)
class TrainedPhase:
    """A phase as it was planned: consecutive segments of one name.

    ``start`` and ``end``: clock in slots; ``streams``: names of those that gave blocks; ``settings``: its row in
    the config (mask_ratio, max_seq_len, rope_theta, ...), empty if the config names no such phase.
    """

    name: str
    start: int
    end: int
    streams: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """A folder that training wrote."""

    path: Path

    @staticmethod
    def of(path: str | Path) -> "RunFolder":
        """The run folder that ``path`` is, or that the checkpoint file ``path`` belongs to."""
        path = Path(path)
        folder = path if path.is_dir() else path.parent
        candidates = [folder, folder.parent] if folder.name == "checkpoints" else [folder]
        for candidate in candidates:
            if (candidate / MODEL_CONFIG).is_file():
                return RunFolder(candidate)
        raise UserError(
            f"{path}: no {MODEL_CONFIG} beside it, so its architecture is unknown; use a checkpoint inside the run "
            "folder that training wrote, or put that folder's model_config.json and tokenizer/ next to it"
        )

    @cached_property
    def model_config(self) -> dict[str, Any]:
        """ModernBertConfig's values as they were when training started."""
        return json.loads((self.path / MODEL_CONFIG).read_text(encoding="utf-8"))

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer's files."""
        folder = self.path / TOKENIZER
        if not folder.is_dir():
            raise UserError(f"{self.path}: no {TOKENIZER}/ in it; copy the folder of the tokenizer there")
        return folder

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config.yaml; empty in a plain Composer run."""
        file = self.path / "config.yaml"
        if not file.is_file():
            return {}
        content = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
        assert isinstance(content, dict)
        return {str(key): value for key, value in content.items()}

    @cached_property
    def phases(self) -> tuple[TrainedPhase, ...]:
        """The phases of ``plan.json`` in order; none in a plain Composer run."""
        file = self.path / "plan.json"
        if not file.is_file():
            return ()
        plan = json.loads(file.read_text(encoding="utf-8"))
        slots = plan["segment_blocks"] * plan["block_size"]
        rows = {row["name"]: row for row in (self.config.get("curriculum") or {}).get("phases", [])}
        phases, start = [], 0
        for name, segments in groupby(plan["segments"], key=lambda segment: segment["phase"]):
            blocks = [segment["blocks"] for segment in segments]
            given = tuple(
                stream for stream, drawn in zip(plan["streams"], zip(*blocks, strict=True), strict=True) if any(drawn)
            )
            end = start + len(blocks) * slots
            phases.append(TrainedPhase(name, start, end, given, rows.get(name, {})))
            start = end
        return tuple(phases)

    def phases_until(self, token: int | None) -> tuple[TrainedPhase, ...]:
        """The phases that a checkpoint at clock ``token`` has trained in (all of them if None)."""
        if token is None:
            return self.phases
        return tuple(phase for phase in self.phases if phase.start < token) or self.phases[:1]

    def rope_theta(self, token: int | None = None) -> RopeTheta:
        """The RoPE bases that the step before clock ``token`` used; None is the end of the run."""
        for phase in self.phases_until(token)[-1:]:
            if "rope_theta" in phase.settings:
                return parse_theta(phase.settings["rope_theta"], f"{self.path}/config.yaml: phase {phase.name!r}")
        return RopeTheta(self.model_config["global_rope_theta"], self.model_config["local_rope_theta"])

    def max_seq_len(self, token: int | None = None) -> int:
        """The longest sequence, in tokens, that was trained on before clock ``token``; None is the end of the run."""
        lengths = [
            phase.settings["max_seq_len"] for phase in self.phases_until(token) if "max_seq_len" in phase.settings
        ]
        return max(lengths, default=self.model_config["max_position_embeddings"])
