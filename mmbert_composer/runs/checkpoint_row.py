"""One checkpoint of a run as ``mmbert runs ls`` shows it, from its record or else its header."""

from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.checkpoints.checkpoint_record import read_record, why_other_size
from mmbert_composer.checkpoints.list_checkpoints import CheckpointFile, why_invalid
from mmbert_composer.errors import UserError
from mmbert_composer.runs.planned_phases import PlannedPhases


@dataclass(frozen=True)
class CheckpointRow:
    """``token``: the clock, in slots, None where it is unknown. ``bytes``: size of the file.

    ``invalid`` says why it cannot be used, None if it can. ``checked`` is what that was told from: ``size`` (it has
    the size of its record), ``header`` (it has no record: its directory and clock were read) or ``hash`` (every byte).
    """

    path: Path
    batch: int
    segment: int
    token: int | None
    phase: str | None
    is_phase_end: bool
    bytes: int
    invalid: str | None
    checked: str


def checkpoint_row(file: CheckpointFile, phases: PlannedPhases | None, *, verify: bool = False) -> CheckpointRow:
    """Look at a checkpoint: at its record and size, or without a record at its header; ``verify`` hashes it all."""
    token, phase, invalid, checked = None, None, None, "size"
    try:
        size = file.path.stat().st_size
        record = read_record(file.path)
    except UserError as error:
        size, record, invalid = file.path.stat().st_size, None, str(error)
    except OSError:  # pruned a moment ago by the run that is going on
        return CheckpointRow(file.path, file.batch, file.epoch, None, None, False, 0, "gone since", "size")
    if record is not None:
        token, phase = record.token, record.phase
        invalid = why_other_size(file.path)
    if invalid is None and (verify or record is None):
        invalid = why_invalid(file.path, content=verify)
        checked = "hash" if verify and record is not None else "header"
        if invalid is None and token is None:
            token = _clock(file.path)
    if phases is not None and token is not None:
        phase = phase or phases.phase_before(token)
    is_end = phases is not None and token is not None and phases.is_end(token)
    return CheckpointRow(file.path, file.batch, file.epoch, token, phase, is_end, size, invalid, checked)


def _clock(path: Path) -> int | None:
    # Here and not above: torch takes seconds, and a checkpoint with a record needs none of it.
    from mmbert_composer.checkpoints.read_checkpoint import read_clock

    try:
        return read_clock(path).token
    except UserError:
        return None
