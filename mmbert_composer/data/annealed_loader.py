"""The train loader: micro-batches of one size, grouped into steps whose size may change."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from composer import DataSpec
from composer.utils import dist
from streaming import StreamingDataLoader

from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.masking import Masker, rows_per_block
from mmbert_composer.data.packed_batch import Blocks, PackedBatch, pack_batch, read_blocks
from mmbert_composer.errors import UserError


class AnnealedLoader(StreamingDataLoader):
    """Yields steps: lists of packed micro-batches, as many as the step's batch size asks for.

    Workers read blocks ahead; cuts and masks are made here, in the main process, with the values that hold
    when a step is asked for. The scheduler callbacks set them before each step; without a callback they
    stay what they were given.

    Args:
        dataset: its ``batch_size`` is the micro-batch per device, in blocks.
        global_batch_size: blocks a step over all ranks; ``batch_size_warmup`` changes it.
        mask_ratio: in (0, 1); ``mask_ratio`` changes it.
        max_seq_len: tokens; ``context_extension`` changes it. None is the block size.
        mask_seed: of the masks.
        num_workers: processes that read ahead.
    """

    dataset: AnnealedDataset  # pyright: ignore[reportIncompatibleVariableOverride] (nobody assigns another)

    def __init__(
        self,
        dataset: AnnealedDataset,
        *,
        global_batch_size: int,
        mask_ratio: float = 0.3,
        max_seq_len: int | None = None,
        mask_seed: int = 17,
        num_workers: int = 0,
    ) -> None:
        super().__init__(
            dataset,
            batch_size=dataset.batch_size,
            collate_fn=read_blocks,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
        )
        manifest = dataset.manifest
        self.masker = Masker(
            mask_seed,
            vocab_size=manifest.vocab_size,
            special_ids=manifest.special_token_ids,
            mask_id=manifest.special_ids["mask"],
        )
        self._stream_keys = np.array([self.masker.stream_key(name) for name in dataset.plan.streams], np.uint64)
        self.max_seq_len = max_seq_len or dataset.curriculum.block_size
        self.set_mask_ratio(mask_ratio, mask_ratio)
        self.set_global_batch_size(global_batch_size)
        self.served: list[Blocks] = []
        """The blocks of the step yielded last, on this rank."""

    def set_mask_ratio(self, ratio: float, largest: float) -> None:
        """Ratio of the next step; ``largest`` of the phase fixes the rows that the head computes."""
        rows_per_block(largest, self.dataset.curriculum.block_size)
        self.mask_ratio, self.largest_mask_ratio = ratio, max(ratio, largest)

    def set_global_batch_size(self, blocks: int) -> None:
        """Blocks of the next step over all ranks: a whole number of micro-batches on each."""
        micro_batch = self.dataset.batch_size
        assert micro_batch is not None
        per_round = dist.get_world_size() * micro_batch
        if blocks % per_round:
            raise UserError(
                f"a batch of {blocks} blocks is not a whole number of micro-batches: {dist.get_world_size()} ranks x "
                f"{micro_batch} blocks; choose a device_train_microbatch_size that divides it"
            )
        self.global_batch_size = blocks
        self._micro_batches = blocks // per_round

    def __len__(self) -> int:
        raise TypeError("the number of steps in a segment depends on the batch size, which may change")

    def __iter__(self) -> Iterator[list[PackedBatch]]:
        self.num_samples_yielded = 0
        # DataLoader's own iteration: StreamingDataLoader's counts samples by the first column's length.
        blocks = super(StreamingDataLoader, self).__iter__()
        while True:
            served: list[Blocks] = []
            try:
                for micro_batch in blocks:
                    served.append(micro_batch)
                    if len(served) == self._micro_batches:
                        break
            except UserError as error:
                raise _as_raised(error) from None
            if not served:
                return
            self.served = served
            self.num_samples_yielded += sum(len(micro_batch.stream) for micro_batch in served)
            yield [self._pack(micro_batch) for micro_batch in served]

    def _pack(self, blocks: Blocks) -> PackedBatch:
        special = self.dataset.manifest.special_ids
        return pack_batch(
            blocks,
            self.masker,
            self._stream_keys,
            mask_ratio=self.mask_ratio,
            largest_mask_ratio=self.largest_mask_ratio,
            max_seq_len=self.max_seq_len,
            bos_id=special["bos"],
            eos_id=special["eos"],
        )

    def data_spec(self) -> DataSpec:
        """What Composer's Trainer takes as ``train_dataloader``."""
        return packed_data_spec(self)


def _as_raised(error: UserError) -> UserError:
    """A worker's error without the traceback that DataLoader puts into its message."""
    name = f"{UserError.__module__}.{UserError.__name__}: "
    return UserError(str(error).rpartition(name)[2].strip())


def packed_data_spec(loader: Any) -> DataSpec:
    """A DataSpec for batches that are packed micro-batches, or lists of them.

    Samples are blocks and tokens are slots, padding included; the loss is weighted by masked tokens
    (``accumulate_train_batch_on_tokens=True`` in the Trainer).
    """
    return DataSpec(
        dataloader=loader,
        split_batch=lambda batch, _: batch if isinstance(batch, list) else [batch],
        get_num_samples_in_batch=lambda batch: _total(batch, "blocks"),
        get_num_tokens_in_batch=_num_tokens,
    )


def _num_tokens(batch: list[PackedBatch] | PackedBatch) -> dict[str, int]:
    micro_batches = batch if isinstance(batch, list) else [batch]
    slots = sum(len(micro_batch["input_ids"]) for micro_batch in micro_batches)
    return {"total": slots, "loss_generating": _total(batch, "num_masked")}


def _total(batch: list[PackedBatch] | PackedBatch, key: Literal["blocks", "num_masked"]) -> int:
    micro_batches = batch if isinstance(batch, list) else [batch]
    return sum(micro_batch[key] for micro_batch in micro_batches)
