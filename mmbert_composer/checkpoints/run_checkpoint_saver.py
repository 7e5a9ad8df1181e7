"""Checkpoints of a run: written atomically, at intervals and at every phase's end, and pruned with care."""

import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from composer.callbacks import CheckpointSaver
from composer.core import Event, State
from composer.loggers import Logger
from composer.utils import create_interval_scheduler, dist, reproducibility

from mmbert_composer.checkpoints.checkpoint_record import record_path
from mmbert_composer.checkpoints.list_checkpoints import CheckpointFile, named_checkpoints
from mmbert_composer.checkpoints.write_checkpoint import FailedWrite, FailedWriteError, write_checkpoint
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.run_events import log_event

log = logging.getLogger(__name__)

RETRY_STEPS = 10
"""Steps after a failed save until the next try."""

Pins = Callable[[list[CheckpointFile]], set[Path]]


class RunCheckpointSaver(CheckpointSaver):
    """Composer's CheckpointSaver with complete files under the final name or none, and pins.

    A checkpoint is written at ``interval``, at every phase's end and at the run's end. One that falls on a
    segment's end is written after the segment is closed, so that a resume begins at the next segment.
    Files of the phases' ends and files that something still needs (``pins``) are never pruned, nor is the
    newest one.

    A full disk stops nothing between the phases' ends: the save is left out, said loudly and as ``save_failed`` in
    metrics.jsonl, and tried again after ten steps.

    Args:
        folder: where the files go: ``<run>/checkpoints``.
        curriculum: its phases' ends are always saved.
        interval: ``1000ba`` or ``10000000000tok``, see ``parse_interval``.
        num_checkpoints_to_keep: besides the pinned ones; -1 keeps all.
        pins: given the checkpoints there are, those that must stay.
    """

    def __init__(
        self,
        folder: str | Path,
        curriculum: Curriculum,
        *,
        interval: str = "1000ba",
        num_checkpoints_to_keep: int = -1,
        pins: Pins | None = None,
    ) -> None:
        super().__init__(
            folder=str(folder),
            remote_file_name=None,
            latest_filename=None,
            latest_remote_file_name=None,
            overwrite=True,
            num_checkpoints_to_keep=num_checkpoints_to_keep,
        )
        self._curriculum = curriculum
        self._phase_ends = {phase.end_tok for phase in curriculum.phases}
        self._segment_tok = curriculum.segment_blocks * curriculum.block_size
        self._at_interval = create_interval_scheduler(interval, include_end_of_training=True)
        self._due = False
        self._pins = pins
        self._retry_at: int | None = None
        self.asked_to_stop: Callable[[], bool] = lambda: False
        """Whether the run ends after this step, and wants a checkpoint before."""
        self.save_interval = self._wanted

    def fit_start(self, state: State, logger: Logger) -> None:
        if dist.get_global_rank() == 0:  # what a killed process left
            for unfinished in Path(self.folder).glob("ep*.unfinished"):
                unfinished.unlink(missing_ok=True)
        super().fit_start(state, logger)

    def _wanted(self, state: State, event: Event) -> bool:
        """Whether to save now; what is due at a segment's end waits for EPOCH_CHECKPOINT."""
        token = state.timestamp.token.value
        if event == Event.BATCH_CHECKPOINT:
            at_interval = self._at_interval(state, event)
            self._due = at_interval or token in self._phase_ends or self.asked_to_stop() or self._retry_is_due(state)
            run_ends = token >= self._curriculum.total_tok
            return self._due and (run_ends or token % self._segment_tok != 0)
        if event == Event.EPOCH_CHECKPOINT:
            due, self._due = self._due, False
            return due
        return False

    def _retry_is_due(self, state: State) -> bool:
        return self._retry_at is not None and int(state.timestamp.batch) >= self._retry_at

    def _save_checkpoint(self, state: State, logger: Logger) -> None:
        self.last_checkpoint_batch = state.timestamp.batch
        content = {"state": state.state_dict(), "rng": reproducibility.get_rng_state()}
        failed: list[FailedWrite | None] = [None]
        if dist.get_global_rank() == 0:
            path = Path(self.filename.format(state))
            try:
                write_checkpoint(path, content, self._curriculum)
            except FailedWriteError as error:
                failed = [error.failed]
            else:
                log.info("checkpoint %s (%s tokens)", path, state.timestamp.token.value)
                if self.num_checkpoints_to_keep >= 0:
                    self._prune(path)
        dist.broadcast_object_list(failed, src=0)  # all ranks know what came of it; none goes on before it is there
        self._retry_at = None
        if failed[0] is not None:
            self._go_on_without(failed[0], state, logger)

    def _go_on_without(self, failed: FailedWrite, state: State, logger: Logger) -> None:
        """Train on after a save that the disk did not take, and try again soon; at a phase's end stop."""
        self._retry_at = int(state.timestamp.batch) + RETRY_STEPS
        said = f"step {int(state.timestamp.batch)}: {failed.describe()}"
        log_event(logger, "save_failed", state, needed_bytes=failed.needed, free_bytes=failed.free, error=failed.reason)
        if state.timestamp.token.value in self._phase_ends:
            raise UserError(
                f"{said}. The run stops at this phase's end, as others may start from it; its earlier checkpoints are "
                f"whole. Make room and start the same command again"
            )
        log.error("%s. TRAINING GOES ON WITHOUT IT; the next try is in %d steps", said, RETRY_STEPS)

    def _prune(self, newest: Path) -> None:
        """Remove the oldest files beyond the number to keep; the folder is looked at, so restarts prune too."""
        files = named_checkpoints(newest.parent)
        last = next(file for file in files if file.path == newest)
        files = [file for file in files if file.batch <= last.batch]  # one ahead of the clock is an invalid one
        pinned = {newest}
        if self._pins is not None:
            pinned |= self._pins(files)
        loose = [file for file in files if file.path not in pinned and not self._is_phase_end(file)]
        keep = max(0, self.num_checkpoints_to_keep - 1)
        for file in loose[: len(loose) - keep] if keep else loose:
            file.path.unlink(missing_ok=True)
            record_path(file.path).unlink(missing_ok=True)

    def _is_phase_end(self, file: CheckpointFile) -> bool:
        return file.batch in self._phase_end_batches

    @cached_property
    def _phase_end_batches(self) -> set[int]:
        """Steps after which a phase ends, counted from the curriculum."""
        steps = enumerate(self._curriculum.steps(), start=1)
        block = self._curriculum.block_size
        return {n for n, (token, blocks) in steps if token + blocks * block in self._phase_ends}
