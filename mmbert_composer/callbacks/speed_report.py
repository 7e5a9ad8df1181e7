"""How fast a run goes, how much of the hardware that is, and how much memory it takes."""

import resource
import sys
import time
from typing import Any

import torch
from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist

from mmbert_composer.callbacks.device_peak import device_peak
from mmbert_composer.errors import UserError
from mmbert_composer.models.flops import real_lengths, step_flops
from mmbert_composer.models.modernbert_mlm import ModernBertMLM


class SpeedReport(Callback):
    """Logs the speed of each step; time between steps (evaluation, checkpoints) is not in it.

    | key | value |
    | --- | --- |
    | ``speed/tokens_per_second`` | slots over all ranks, padding included: the speed of the clock |
    | ``speed/tokens_real_per_second`` | real tokens over all ranks |
    | ``speed/padding`` | slots that are padding / slots, in [0, 1] |
    | ``speed/tflops_per_device`` | model TFLOP/s of one device, by ``models.flops``: nothing for padding |
    | ``speed/mfu`` | that / peak of the device, in [0, 1]; only where a peak is known |
    | ``speed/memory_gb`` | 1e9 bytes: peak so far of what torch allocated on rank 0's GPU, else of its process |
    | ``speed/memory_reserved_gb`` | the same of what torch holds from the GPU; only on a GPU |

    MFU = model FLOPs of the step / (seconds x devices x peak). A CPU has no peak unless it is given.

    Args:
        peak_tflops: dense TFLOP/s of one device in the run's precision; None takes the vendor's figure for a GPU that
            Composer's table knows.
    """

    def __init__(self, peak_tflops: float | None = None) -> None:
        if peak_tflops is not None and (
            isinstance(peak_tflops, bool) or not isinstance(peak_tflops, int | float) or peak_tflops <= 0
        ):
            raise UserError(
                f"callbacks.speed_report.peak_tflops={peak_tflops!r} must be above 0: dense TFLOP/s of one device "
                f"in the precision of the run; remove it for the vendor's figure"
            )
        self.peak_tflops = peak_tflops
        self._peak: float | None = None
        self._config: dict[str, Any] | None = None
        self._started = 0.0
        self._sums = torch.zeros(3, dtype=torch.float64)

    def fit_start(self, state: State, logger: Logger) -> None:
        model = getattr(state.model, "module", state.model)  # DDP holds it one level deeper
        self._config = model.config.to_dict() if isinstance(model, ModernBertMLM) else None
        given = self.peak_tflops
        self._peak = given * 1e12 if given is not None else device_peak(state.precision.value)

    def before_dataloader(self, state: State, logger: Logger) -> None:
        self._started = time.perf_counter()

    def batch_start(self, state: State, logger: Logger) -> None:
        slots = real = flops = 0
        for batch in state.batch if isinstance(state.batch, list) else [state.batch]:
            slots += len(batch["input_ids"])
            lengths = real_lengths(batch, self._config["pad_token_id"] if self._config else 0)
            real += int(lengths.sum())
            if self._config is not None:
                flops += step_flops(self._config, lengths, batch["num_masked"]).total
        self._sums = torch.tensor([slots, real, flops], dtype=torch.float64)

    def batch_end(self, state: State, logger: Logger) -> None:
        sums = state.device.tensor_to_device(self._sums)
        dist.all_reduce(sums, reduce_operation="SUM")
        slots, real, flops = sums.tolist()  # on a GPU this waits for the step
        seconds = max(1e-9, time.perf_counter() - self._started)
        logged = {
            "speed/tokens_per_second": slots / seconds,
            "speed/tokens_real_per_second": real / seconds,
            "speed/padding": 1 - real / slots,
        }
        if self._config is not None:
            reached = flops / seconds / dist.get_world_size()
            logged["speed/tflops_per_device"] = reached / 1e12
            if self._peak is not None:
                logged["speed/mfu"] = reached / self._peak
        logger.log_metrics(logged | _memory())


def _memory() -> dict[str, float]:
    if torch.cuda.is_available():
        return {
            "speed/memory_gb": torch.cuda.max_memory_allocated() / 1e9,
            "speed/memory_reserved_gb": torch.cuda.max_memory_reserved() / 1e9,
        }
    unit = 1 if sys.platform == "darwin" else 1024
    return {"speed/memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9}
