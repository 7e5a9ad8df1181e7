"""Where the time of our step goes."""

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.step import cpu, gpu
from benchmarks.step.cases import CpuCase, GpuCase
from benchmarks.step.contenders import Ours, step
from benchmarks.step.documents import pack_documents
from mmbert_composer.runtime.kept_memory import give_back_freed_memory, keep_freed_memory


def profile_step(case: CpuCase | GpuCase, *, attention: str = "auto", bf16: bool = False) -> str:
    """The costliest operations of one step of a case, as torch.profiler's table."""
    if isinstance(case, GpuCase):
        ours = gpu.make_ours(case, attention=attention)
        blocks = pack_documents(gpu.case_documents(case, seed=0), case.block_size, seed=0)[: case.blocks]
        return profile_batch(ours, ours.blocks(blocks))
    ours = cpu.make_ours(case, attention=attention, bf16=bf16)
    blocks = pack_documents(cpu.case_documents(case, seed=0), case.block_size, seed=0)
    keep_freed_memory()  # as where it is timed
    try:
        return profile_batch(ours, ours.batch(blocks[0]))
    finally:
        give_back_freed_memory()


def profile_batch(ours: Ours, batch: dict[str, object]) -> str:
    """The same for a batch."""
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
