"""How full the blocks are, and how long the sequences that are trained on."""

from composer.core import Callback, State
from composer.loggers import Logger


class PackingMonitor(Callback):
    """Logs, for this rank's part of each step, what packing and cutting made of it.

    | key | value |
    | --- | --- |
    | ``packing/fill`` | real tokens / slots, in [0, 1] |
    | ``packing/sequences_per_block`` | sequences a block after cuts, padding left out |
    | ``packing/mean_seq_len`` | real tokens a sequence |
    | ``packing/masked_tokens`` | tokens that carry loss in this rank's part |
    """

    def batch_start(self, state: State, logger: Logger) -> None:
        micro_batches = state.batch
        slots = sum(len(batch["input_ids"]) for batch in micro_batches)
        real = sum(batch["tokens_real"] for batch in micro_batches)
        blocks = sum(batch["blocks"] for batch in micro_batches)
        sequences = sum(batch["sequences"] for batch in micro_batches)
        logger.log_metrics(
            {
                "packing/fill": real / slots,
                "packing/sequences_per_block": sequences / blocks,
                "packing/mean_seq_len": real / max(1, sequences),
                "packing/masked_tokens": sum(batch["num_masked"] for batch in micro_batches),
            }
        )
