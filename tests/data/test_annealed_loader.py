import numpy as np
import pytest

from mmbert_composer.config import parse_run_config
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.errors import UserError


@pytest.fixture
def make_loader(settings, tiny_data):
    def make(batch_size=2, **options):
        dataset = AnnealedDataset(tiny_data, parse_run_config(settings).curriculum, seed=3, batch_size=batch_size)
        return AnnealedLoader(dataset, **{"global_batch_size": 4, "mask_ratio": 0.3, **options})

    return make


def test_a_step_is_a_list_of_packed_micro_batches(make_loader):
    loader = make_loader()
    spec = loader.data_spec()
    steps = list(loader)
    assert len(steps) == 4  # 16 blocks in steps of 4
    for step in steps:
        assert len(step) == 2
        assert spec.get_num_samples_in_batch(step) == 4
        assert spec.get_num_tokens_in_batch(step, "total") == 256
        masked = sum(batch["num_masked"] for batch in step)
        assert spec.get_num_tokens_in_batch(step, "loss_generating") == masked > 0
        assert spec.split_batch(step, 2) is step
        for batch in step:
            assert batch["input_ids"].shape == (128,)
            assert batch["cu_seqlens"][-1] == 128
            assert batch["gather"].shape == batch["labels"].shape == (2 * round(0.3 * 64),)
            assert int((batch["labels"] >= 0).sum()) == batch["num_masked"]


def test_the_micro_batch_does_not_change_what_a_step_holds(make_loader):
    def flat(loader):
        return [
            (
                np.concatenate([batch["input_ids"] for batch in step]),
                np.concatenate([batch["labels"] for batch in step]),
            )
            for step in loader
        ]

    for one, other in zip(flat(make_loader(1)), flat(make_loader(4)), strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])


def test_workers_change_nothing(make_loader):
    here, there = list(make_loader()), list(make_loader(num_workers=2))
    for one, other in zip(here, there, strict=True):
        for left, right in zip(one, other, strict=True):
            assert left["input_ids"].equal(right["input_ids"])
            assert left["labels"].equal(right["labels"])


def test_values_set_between_steps_hold_for_the_next(make_loader):
    loader = make_loader()
    steps = iter(loader)
    first = next(steps)
    loader.set_mask_ratio(0.1, 0.2)
    loader.set_global_batch_size(2)
    loader.max_seq_len = 8
    second = next(steps)
    assert [len(first), len(second)] == [2, 1]
    assert int(np.diff(second[0]["cu_seqlens"]).max()) <= 8 == second[0]["max_seqlen"]
    assert second[0]["gather"].shape == (2 * round(0.2 * 64),)
    assert second[0]["num_masked"] < first[0]["num_masked"]


def test_a_size_that_does_not_divide_the_segment_leaves_a_short_last_step(make_loader):
    loader = make_loader(global_batch_size=6)
    steps = list(loader)
    assert [sum(batch["blocks"] for batch in step) for step in steps] == [6, 6, 4]
    last = [block for s in loader.served for block in zip(s.stream, s.index, s.visit, strict=True)]
    assert len(last) == len(set(last)) == 4


def test_refuses_batches_that_the_micro_batch_does_not_divide(make_loader):
    with pytest.raises(UserError, match="a batch of 3 blocks is not a whole number of micro-batches"):
        make_loader(global_batch_size=3)


def test_has_no_length(make_loader):
    with pytest.raises(TypeError, match="batch size"):
        len(make_loader())
