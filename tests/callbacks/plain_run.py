"""A plain Composer Trainer around ModernBertMLM, without our dataset, YAML or run folder; also run as one of two ranks.

``python plain_run.py SAVE_FOLDER TOKENIZER STEPS METHOD DELAY_SECONDS DIST_TIMEOUT`` trains and merges.
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from composer import DataSpec, Trainer
from torch.utils.data import DataLoader, DistributedSampler
from transformers import ModernBertConfig

from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

LENGTH = 64


def collate(blocks: list[torch.Tensor]) -> dict[str, Any]:
    """Blocks of 64 tokens, every eighth one masked."""
    input_ids = torch.cat(blocks)
    gather = torch.arange(4, len(input_ids), 8)
    labels = input_ids[gather].clone()
    input_ids[gather] = 4
    return {
        "input_ids": input_ids,
        "cu_seqlens": torch.arange(0, len(input_ids) + 1, LENGTH, dtype=torch.int32),
        "max_seqlen": LENGTH,
        "gather": gather,
        "labels": labels,
        "num_masked": len(gather),
        "blocks": len(blocks),
    }


def plain_trainer(
    save_folder: Path, callbacks: list[Any], *, steps: int = 6, dist_timeout: float = 300.0, **options: Any
) -> Trainer:
    """A trainer of a tiny model that saves every two steps."""
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        sep_token_id=1,
        bos_token_id=2,
        cls_token_id=2,
        reference_compile=False,
    )
    model = ModernBertMLM(config, compile=False)
    blocks = torch.randint(5, 64, (64, LENGTH)).unbind()
    ranks = options.pop("ranks", 1)
    sampler = DistributedSampler(blocks, num_replicas=ranks, rank=options.pop("rank", 0))  # type: ignore[arg-type]
    loader = DataLoader(blocks, batch_size=2, collate_fn=collate, sampler=sampler)  # type: ignore[arg-type]
    spec = DataSpec(
        loader,
        get_num_samples_in_batch=lambda batch: batch["blocks"],
        get_num_tokens_in_batch=lambda batch: len(batch["input_ids"]),
        split_batch=lambda batch, size: [batch],
    )
    return Trainer(
        model=model,
        train_dataloader=spec,
        optimizers=torch.optim.AdamW(model.parameters(), lr=1e-2),
        max_duration=f"{steps}ba",
        save_folder=str(save_folder),
        save_interval="2ba",
        callbacks=callbacks,
        device="cpu",
        progress_bar=False,
        dist_timeout=dist_timeout,
        loggers=options.pop("loggers", []),
        **options,
    )


class SlowMerging(CheckpointMerging):
    """Merges after a pause."""

    def __init__(self, delay: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.delay = delay

    def before_merge(self) -> None:
        (Path(str(self.run_folder)) / "merging").touch()
        time.sleep(self.delay)


if __name__ == "__main__":
    import os

    from composer.utils import dist

    folder, tokenizer, steps, method, delay, timeout = sys.argv[1:]
    dist.initialize_dist("cpu", float(timeout))
    merging = SlowMerging(float(delay), method=method, run_folder=folder, tokenizer=tokenizer)
    trainer = plain_trainer(
        Path(folder),
        [merging],
        steps=int(steps),
        dist_timeout=float(timeout),
        ranks=dist.get_world_size(),
        rank=dist.get_global_rank(),
    )
    trainer.fit()
    dist.barrier()
    print(f"rank {os.environ.get('RANK', 0)} done")
    trainer.close()
