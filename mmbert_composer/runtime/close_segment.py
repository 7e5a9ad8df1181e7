"""A run that had ended and is made longer goes on with the next segment.

Fault: Composer 0.32.1 does not close the epoch in which a run ends (trainer.py:2546), so its last checkpoint stands
behind the last step of an open one. Made longer by a phase, such a run resumes into a segment with nothing left, and
Composer warns that "No batches were trained". Detected by: adding a phase to a finished run. Mend: the segment is
closed when such a checkpoint has been loaded. Can go: when Composer closes the last epoch.
"""

from composer import Trainer

from mmbert_composer.data.annealed_dataset import AnnealedDataset


def close_segment(trainer: Trainer, dataset: AnnealedDataset) -> None:
    """Move ``trainer``, resumed behind a segment's last block, and its ``dataset`` to the next segment's first."""
    time = trainer.state.timestamp
    segment = dataset.curriculum.segment_blocks
    if int(time.sample_in_epoch) != segment:
        return
    trainer.state.timestamp = time.to_next_epoch()
    dataset.load_state_dict({"epoch": int(time.epoch) + 1, "sample_in_epoch": 0, "shuffle_seed": dataset.shuffle_seed})
