"""One run as ``mmbert runs ls`` shows it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.errors import UserError
from mmbert_composer.runs.checkpoint_row import CheckpointRow, checkpoint_row
from mmbert_composer.runs.last_step import LastStep, last_step
from mmbert_composer.runs.planned_phases import PlannedPhases, planned_phases
from mmbert_composer.runtime.run_lock import holder_of

OUTPUTS = {"merged": "merged/model.safetensors", "hf": "hf/model.safetensors", "report": "report.html"}
"""What a finished run leaves, and the file that says it is there."""


@dataclass(frozen=True)
class RunRow:
    """``state``: running, finished, stopped, or never checkpointed (stopped, and it would begin again).

    ``token``: the clock reached, in slots: that of the last step in ``metrics.jsonl``, or of the newest checkpoint.
    ``total_tok``: None where there is no plan. ``problem``: a plan that cannot be read; "" for none.
    """

    name: str
    folder: Path
    state: str
    phase: str | None
    token: int | None
    total_tok: int | None
    last: LastStep | None
    checkpoints: tuple[CheckpointRow, ...]
    outputs: tuple[str, ...]
    problem: str

    @property
    def newest(self) -> CheckpointRow | None:
        """The newest checkpoint that can be used."""
        return next((row for row in reversed(self.checkpoints) if row.invalid is None), None)

    def to_json(self) -> dict[str, Any]:
        """What ``mmbert runs ls --json`` prints of it."""
        last = self.last
        return {
            "name": self.name,
            "folder": str(self.folder),
            "state": self.state,
            "phase": self.phase,
            "token": self.token,
            "total_tokens": self.total_tok,
            "last_step": None
            if last is None
            else {"batch": last.batch, "token": last.token, "loss": last.loss, "when": last.when},
            "checkpoints": [
                {
                    "file": row.path.name,
                    "batch": row.batch,
                    "segment": row.segment,
                    "token": row.token,
                    "phase": row.phase,
                    "phase_end": row.is_phase_end,
                    "bytes": row.bytes,
                    "valid": row.invalid is None,
                    "why": row.invalid,
                    "checked": row.checked,
                }
                for row in self.checkpoints
            ],
            "outputs": list(self.outputs),
            "problem": self.problem,
        }


def run_row(folder: Path, name: str, *, verify: bool = False) -> RunRow:
    """Look at the run in ``folder``."""
    phases, problem = _phases(folder)
    checkpoints = tuple(checkpoint_row(file, phases, verify=verify) for file in named_checkpoints(folder))
    last = last_step(folder / "metrics.jsonl", phases.block_size if phases else 0)
    valid = [row for row in checkpoints if row.invalid is None]
    newest = valid[-1] if valid else None
    token = last.token if last is not None and phases is not None else None if newest is None else newest.token
    total = None if phases is None else phases.total_tok
    return RunRow(
        name=name,
        folder=folder,
        state=_state(folder, has_checkpoint=bool(valid), reached=None if newest is None else newest.token, total=total),
        phase=(last.phase if last is not None else None) or (newest.phase if newest is not None else None),
        token=token,
        total_tok=total,
        last=last,
        checkpoints=checkpoints,
        outputs=tuple(name for name, file in OUTPUTS.items() if (folder / file).is_file()),
        problem=problem,
    )


def _phases(folder: Path) -> tuple[PlannedPhases | None, str]:
    if not (folder / "plan.json").exists():
        return None, ""
    try:
        return planned_phases(folder / "plan.json"), ""
    except UserError as error:
        return None, str(error)


def _state(folder: Path, *, has_checkpoint: bool, reached: int | None, total: int | None) -> str:
    if holder_of(folder) is not None:
        return "running"
    if total is not None and reached is not None and reached >= total:
        return "finished"
    return "stopped" if has_checkpoint else "never checkpointed"
