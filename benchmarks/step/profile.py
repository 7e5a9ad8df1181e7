"""Where the time of our step goes."""

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.step.cases import CpuCase
from benchmarks.step.contenders import Ours, step
from benchmarks.step.cpu import case_documents, make_ours
from benchmarks.step.documents import pack_documents


def profile_step(case: CpuCase, *, attention: str = "auto", bf16: bool = False) -> str:
    """The costliest operations of one step of a CPU case, as torch.profiler's table."""
    ours = make_ours(case, attention=attention, bf16=bf16)
    blocks = pack_documents(case_documents(case, seed=0), case.block_size, seed=0)
    return profile_batch(ours, ours.batch(blocks[0]))


def profile_batch(ours: Ours, batch: dict[str, object]) -> str:
    """The same of a batch on whichever device ``ours`` is."""
    for _ in range(2):
        step(ours, batch)
    on_gpu = ours.device.name == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as seen:
        step(ours, batch)
        if on_gpu:
            torch.cuda.synchronize()
    by = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    return seen.key_averages().table(sort_by=by, row_limit=30, max_name_column_width=60)
