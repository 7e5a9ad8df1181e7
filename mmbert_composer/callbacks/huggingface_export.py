"""Write the trained model as a Hugging Face folder when training ends, into ``<run>/hf``."""

import logging
import time
from pathlib import Path

from composer.core import Callback, State
from composer.loggers import Logger

from mmbert_composer.callbacks.run_files import ensure_run_files, find_run_folder, live_rope_theta, refresh_model_config
from mmbert_composer.callbacks.run_on_rank_zero import run_on_rank_zero
from mmbert_composer.checkpoints.model_weights import hf_names
from mmbert_composer.checkpoints.read_checkpoint import Clock
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.export.export_model import ModelFiles, export_model
from mmbert_composer.export.export_run import export_record
from mmbert_composer.export.run_facts import run_facts

log = logging.getLogger(__name__)


class HuggingFaceExport(Callback):
    """Export the final weights when ``fit`` ends: a folder that ``AutoModelForMaskedLM`` and ``AutoTokenizer`` load.

    What was written is loaded again and its logits compared with our packed forward; a difference is an error and
    leaves no folder. An earlier export in the same place is replaced.

    Args:
        out: the folder to write. Default: ``hf`` in the run folder.
        run_folder: Default: the Trainer's ``save_folder``.
        tokenizer: folder of the tokenizer, for runs whose folder holds none. Default: that of the training data.

    Logs, once, after the export:

    | key | value |
    |---|---|
    | ``export/seconds`` | time it took on rank 0 |
    | ``export/max_logit_difference`` | reloaded model against the packed forward, see the model card |
    """

    def __init__(
        self,
        out: str | Path | None = None,
        run_folder: str | Path | None = None,
        tokenizer: str | Path | None = None,
    ) -> None:
        if out is not None and not isinstance(out, str | Path):
            raise UserError(f"huggingface_export: out={out!r} must be a folder")
        self.out = out
        self.run_folder = run_folder
        self.tokenizer = tokenizer

    def fit_start(self, state: State, logger: Logger) -> None:
        """Write what the run folder lacks for an export, so that a missing tokenizer is found now."""
        folder = find_run_folder(state, self.run_folder, "huggingface_export")
        ensure_run_files(state, folder, self.tokenizer, "huggingface_export")

    def fit_end(self, state: State, logger: Logger) -> None:
        """Export on rank 0; the other ranks wait for it."""
        run = RunFolder(find_run_folder(state, self.run_folder, "huggingface_export"))
        refresh_model_config(state, run.path)
        out = run.path / "hf" if self.out is None else Path(self.out)
        weights = hf_names(state.get_model_state_dict(), "the model")  # under FSDP all ranks take part in this
        stamp = state.timestamp
        clock = Clock(stamp.epoch.value, stamp.batch.value, stamp.token.value)
        theta = live_rope_theta(state)

        def export() -> None:
            start = time.monotonic()
            files = ModelFiles(run.model_config, run.tokenizer, theta, run.max_seq_len(clock.token))
            facts, record = run_facts(run, clock), export_record("the end of training", clock)
            exported = export_model(weights, files, out, facts=facts, record=record, replace=True)
            log.info("exported the model to %s", out)
            logger.log_metrics(
                {
                    "export/seconds": time.monotonic() - start,
                    "export/max_logit_difference": max(exported.differences["padded"], exported.differences["alone"]),
                }
            )

        run_on_rank_zero(export, "huggingface_export")
