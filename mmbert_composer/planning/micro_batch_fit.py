"""Whether a run's micro-batch fits a GPU, and if not, which one does."""

from typing import Any

from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.config import RunConfig
from mmbert_composer.planning.gpu_memory import GB, GpuMemory, micro_batch_memory
from mmbert_composer.planning.run_plan import RunPlan


def describe_memory(config: RunConfig, plan: RunPlan, ranks: int = 1) -> tuple[int, GpuMemory]:
    """The micro-batch in blocks on ``ranks`` GPUs, and the memory it takes; ``plan.parameters`` is known."""
    blocks = micro_batch_size(config.curriculum, ranks, config.device_train_microbatch_size)
    return blocks, _memory(config, plan, plan.model, blocks, ranks)


def check_fit(config: RunConfig, plan: RunPlan, gpu_bytes: int, ranks: int = 1) -> str | None:
    """None if the micro-batch fits ``gpu_bytes``; else a line with one that does."""
    blocks, memory = describe_memory(config, plan, ranks)
    if memory.total <= gpu_bytes:
        return None
    said = (
        f"a micro-batch of {blocks} blocks of {config.data.block_size:,} tokens takes about "
        f"{memory.total / GB:.1f} GB, and the GPU has {gpu_bytes / GB:.1f} GB"
    )
    fitting = _largest(config, plan, plan.model, gpu_bytes, blocks, ranks)
    if fitting:
        return f"{said}: set device_train_microbatch_size={fitting}"
    lean = plan.model | {"activation_checkpointing": True}
    fitting = _largest(config, plan, lean, gpu_bytes, blocks, ranks)
    if fitting:
        return (
            f"{said}; no micro-batch fits as it is: set model.activation_checkpointing=true "
            f"device_train_microbatch_size={fitting}"
        )
    least = _memory(config, plan, lean, 1, ranks).total
    return (
        f"{said}; none fits: one block with model.activation_checkpointing=true takes {least / GB:.1f} GB. Prepare the "
        f"data with a smaller --block-size, or take a smaller model"
    )


def _largest(
    config: RunConfig, plan: RunPlan, model: dict[str, Any], gpu_bytes: int, below: int, ranks: int
) -> int | None:
    for at_most in range(below, 0, -1):
        blocks = micro_batch_size(config.curriculum, ranks, at_most)
        if _memory(config, plan, model, blocks, ranks).total <= gpu_bytes:
            return blocks
    return None


def _memory(config: RunConfig, plan: RunPlan, model: dict[str, Any], blocks: int, ranks: int) -> GpuMemory:
    assert plan.parameters is not None
    return micro_batch_memory(model, plan.parameters, config.curriculum, blocks, config.precision, ranks=ranks)
