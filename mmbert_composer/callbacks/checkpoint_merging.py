"""Merge the run's last checkpoints when training ends, into ``<run>/merged``."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from composer.callbacks import CheckpointSaver
from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist

from mmbert_composer.callbacks.run_files import ensure_run_files, find_run_folder, refresh_model_config
from mmbert_composer.callbacks.run_on_rank_zero import run_on_rank_zero
from mmbert_composer.checkpoints.list_checkpoints import CheckpointFile
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.merging.finish_run import merge_run
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.run_merge import RunMerge, check_base, check_base_exists, pinned_checkpoints

log = logging.getLogger(__name__)


class CheckpointMerging(Callback):
    """Merge the last checkpoints of this run when ``fit`` ends; the last one is on disk by then.

    Rank 0 merges while the other ranks wait outside of any collective, so no dist timeout applies. A merge that is
    there already, of the same checkpoints with the same settings, is left alone.

    Args:
        method: ``linear`` (weighted mean), ``ema`` (newer ones weigh more), ``ties`` (mean of trimmed differences from
            a base, where the models agree in sign), ``task_arithmetic`` (sum of differences) or ``slerp`` (two models).
        last: how many of the newest checkpoints to merge; they are pinned against pruning.
        weights, normalize, decay, density, trim, lam, t: numbers of the method, see MergeMethod; None is its default.
        base: of ``ties`` and ``task_arithmetic``: checkpoint, run folder or Hugging Face folder. Default: the
            checkpoint that the last phase started from; in a run of one phase what its ``load_path`` names.
        explain: write ``explain.json`` and ``explain.png`` too: what the merge did to each group of parameters.
        at: ``fit_end``, or ``never`` to pin the checkpoints alone and merge later (``mmbert merge RUN``).
        run_folder: where checkpoints are and ``merged/`` goes. Default: the Trainer's ``save_folder``.
        tokenizer: folder of the tokenizer, for runs whose folder holds none. Default: that of the training data.

    Logs, once, after the merge:

    | key | value |
    |---|---|
    | ``merge/models`` | number of checkpoints merged |
    | ``merge/seconds`` | time it took on rank 0 |
    | ``merge/max_logit_difference`` | written model against the packed forward, see the model card |
    """

    def __init__(
        self,
        method: str = MergeMethod.method,
        last: int = RunMerge.last,
        weights: Sequence[float] | None = None,
        normalize: bool | None = None,
        decay: float | None = None,
        density: float | None = None,
        trim: str | None = None,
        lam: float | None = None,
        t: float | None = None,
        base: str | None = None,
        explain: bool = False,
        at: Literal["fit_end", "never"] = "fit_end",
        run_folder: str | Path | None = None,
        tokenizer: str | Path | None = None,
    ) -> None:
        if at not in ("fit_end", "never"):
            raise UserError(f"checkpoint_merging: at={at!r} must be fit_end or never")
        merge_method = MergeMethod(
            method,
            weights=None if weights is None else tuple(weights),
            normalize=normalize,
            decay=decay,
            density=density,
            trim=trim,
            lam=lam,
            t=t,
        )
        base = None if base is None else str(base)
        self.settings = RunMerge(merge_method, last=last, base=base, explain=explain)
        self.at = at
        self.run_folder = run_folder
        self.tokenizer = tokenizer
        self._run: RunFolder | None = None
        if run_folder is not None:
            check_base_exists(RunFolder(Path(run_folder)), self.settings)

    def before_merge(self) -> None:
        """Called on rank 0 before the merge starts; does nothing here. A place for subclasses and for tests."""

    def fit_start(self, state: State, logger: Logger) -> None:
        """Find the run folder, and refuse now what could not be merged at the end."""
        folder = find_run_folder(state, self.run_folder, "checkpoint_merging")
        ensure_run_files(state, folder, self.tokenizer, "checkpoint_merging")
        self._run = RunFolder(folder)
        if dist.get_global_rank() == 0:  # the others may not see its disk
            check_base(self._run, self.settings)
        for saver in state.callbacks:
            # Composer's own saver asks nobody before it prunes; a subclass that asks for pins is no danger.
            if type(saver) is CheckpointSaver and 0 <= saver.num_checkpoints_to_keep < self.settings.last:
                raise UserError(
                    f"checkpoint_merging: last={self.settings.last} checkpoints are to be merged, but "
                    f"save_num_checkpoints_to_keep={saver.num_checkpoints_to_keep} deletes them; raise it to "
                    f"{self.settings.last} or more, or set it to -1"
                )

    def pins(self, saved: Sequence[CheckpointFile]) -> set[Path]:
        """Those of the checkpoints ``saved`` so far that the merge may need; whoever prunes leaves them."""
        if self._run is None:
            return {file.path for file in saved}  # before fit_start nothing is known to be superfluous
        return pinned_checkpoints(self._run, self.settings, saved)

    def fit_end(self, state: State, logger: Logger) -> None:
        """Merge on rank 0; the other ranks wait for it."""
        if self.at == "never":
            return
        assert self._run is not None, "fit_start comes before fit_end"
        folder = self._run.path
        refresh_model_config(state, folder)

        def merge() -> None:
            self.before_merge()
            start = time.monotonic()
            merged = merge_run(folder, self.settings)
            if merged is None:
                log.info("checkpoint_merging: %s/merged is there already", folder)
                return
            differences = merged.exported.differences
            logger.log_metrics(
                {
                    "merge/models": len(merged.record["inputs"]),
                    "merge/seconds": time.monotonic() - start,
                    "merge/max_logit_difference": max(differences["padded"], differences["alone"]),
                }
            )

        run_on_rank_zero(merge, "checkpoint_merging")
