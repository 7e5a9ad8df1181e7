"""One StreamingDataset for the whole run: every language a stream, every segment an epoch that follows the plan."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.curriculum import AheadSampler, BlockSampler, Curriculum, SegmentPlan, make_plan
from mmbert_composer.data.checked_dataset import CheckedDataset
from mmbert_composer.data.checked_stream import CheckedStream
from mmbert_composer.data.data_source import DataSource, as_source
from mmbert_composer.data.open_data import open_data
from mmbert_composer.data.stream_sizes import stream_sizes
from mmbert_composer.data.working_set import check_cache_limit
from mmbert_composer.errors import UserError


class AnnealedDataset(CheckedDataset):
    """Blocks in the order of a segment plan.

    A sample is ``{"input_ids", "cu_seqlens", "stream", "index", "visit"}``: the block as stored, the index
    of its stream in ``plan.streams``, its index in that stream and how often it was drawn before. The
    visit travels through Streaming as a virtual id, ``visit * num_samples + sample``.

    With one canonical node Streaming deals the segment block by block, to the nodes and in each node to its ranks,
    so that a step holds the same blocks on any number of nodes, ranks and workers that can share its batch.

    Args:
        root: folder written by ``mmbert prepare``, or a source that says how it gets here.
        curriculum: phases; its block size must be that of the data.
        seed: of the order of blocks (``data.seed``), apart from the seed of the run.
        batch_size: micro-batch per device, in blocks. One for the whole run.
        cursors: blocks of each stream drawn by a run that this one continues.
        shuffle_window: blocks of a stream that are shuffled together; None is all of what one ``prepare`` added.

    Raises:
        UserError: data that does not fit the curriculum (block size, languages, passes), or a cache that is too small.
    """

    def __init__(
        self,
        root: str | Path | DataSource,
        curriculum: Curriculum,
        *,
        seed: int,
        batch_size: int,
        cursors: Mapping[str, int] | None = None,
        shuffle_window: int | None = None,
    ) -> None:
        source = as_source(root)
        self.manifest = open_data(source)
        if self.manifest.block_size != curriculum.block_size:
            raise UserError(
                f"{source.root}: its blocks hold {self.manifest.block_size} tokens, but data.block_size is "
                f"{curriculum.block_size}; set data.block_size={self.manifest.block_size} or prepare the text again"
            )
        self.curriculum = curriculum
        self.plan: SegmentPlan = make_plan(
            curriculum,
            stream_sizes(self.manifest),
            data_seed=seed,
            cursors=cursors,
            shuffle_window=shuffle_window,
        )
        check_cache_limit(source, self.plan, self.manifest)
        self._sampler = AheadSampler(BlockSampler(self.plan))
        super().__init__(
            streams=[CheckedStream(source, name, curriculum.block_size) for name in self.plan.streams],
            cache_limit=source.cache_limit,
            epoch_size=curriculum.segment_blocks,
            batch_size=batch_size,
            num_canonical_nodes=1,  # the segment is dealt block by block, so any number of nodes can share it
            shuffle=False,  # the plan's own order is already a keyed permutation of the segment
            shuffle_seed=seed % (1 << 32),
            batching_method="random",
        )
        if not np.array_equal(self.samples_per_stream, self.plan.stream_blocks):
            wrong = int(np.flatnonzero(self.samples_per_stream != self.plan.stream_blocks)[0])
            raise UserError(
                f"{self.manifest.root / self.plan.streams[wrong]}: {self.samples_per_stream[wrong]} blocks in its "
                f"index, {self.plan.stream_blocks[wrong]} in manifest.json; run: mmbert prepare verify {source.root}"
            )

    def resample_streams(self, epoch: int, stream_id: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The virtual ids of a segment, in the order they are served, as one shuffle unit."""
        assert stream_id is None, "only batching_method='random' follows the plan"
        if epoch >= self.plan.num_segments:
            raise UserError(
                f"the plan has {self.plan.num_segments} segments and segment {epoch} was asked for: max_duration "
                f"is longer than the curriculum ({self.curriculum.total_tok} tokens)"
            )
        draws = self._sampler.segment(epoch)
        samples = self.sample_offset_per_stream[draws.stream] + draws.index + draws.visit * self.num_samples
        return np.array([len(samples)], np.int64), samples

    def sample_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Samples that virtual ids stand for: the visit is dropped."""
        return ids % self.num_samples

    def served(self, block: dict[str, Any], sample_id: int, shard: int, place: int) -> dict[str, Any]:
        """The block behind a virtual id, with which block it is."""
        stream = int(self.stream_per_shard[shard])
        block["stream"], block["visit"] = stream, sample_id // self.num_samples
        block["index"] = int(self.sample_offset_per_shard[shard] - self.sample_offset_per_stream[stream]) + place
        return block

    def state_dict(self, num_samples: int, from_beginning: bool) -> dict[str, Any]:
        """Where the run is, with the link of the plan's chain that it reached.

        Streaming 0.13.0 (dataset.py:778) always says ``next_epoch - 1``; in a checkpoint written at the end
        of an epoch that is (finished segment, sample 0) and the segment would be replayed in silence.
        """
        epoch = self.next_epoch - (1 if num_samples else 0)
        epoch, offset = self._resume(self._parallel_rank_world, epoch)
        sample_in_epoch = num_samples if from_beginning else offset + num_samples
        return {
            "epoch": epoch,
            "sample_in_epoch": sample_in_epoch,
            "num_canonical_nodes": self.num_canonical_nodes,
            "shuffle_seed": self.shuffle_seed,
            "initial_physical_nodes": None,
            "chain": self.plan.chain[self._segments_touched(epoch, sample_in_epoch)],
        }

    def load_state_dict(self, obj: dict[str, Any]) -> None:
        """Continue at a checkpoint's place, if everything drawn before it is what this plan would have drawn."""
        touched = self._segments_touched(obj["epoch"], obj["sample_in_epoch"])
        ours = self.plan.chain[touched] if touched <= self.plan.num_segments else "a shorter plan"
        if obj.get("chain", ours) != ours:
            raise UserError(
                f"the checkpoint was made with another plan: its chain is {obj['chain']} after {touched} segments, "
                f"this run's is {ours}. Phases already trained, data.seed, segment_blocks and the data itself must "
                f"stay as they were; set them back, or start a new run with load_as: continue or weights"
            )
        # Streaming would deal the rest of a segment as the nodes that began it did, and refuse some other counts.
        super().load_state_dict({**obj, "num_canonical_nodes": 1, "initial_physical_nodes": None})

    @staticmethod
    def _segments_touched(epoch: int, sample_in_epoch: int) -> int:
        return epoch + (1 if sample_in_epoch else 0)
