import numpy as np
import pytest
from streaming import LocalDataset

from mmbert_composer.config import parse_run_config
from mmbert_composer.curriculum import BlockSampler
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.errors import UserError


@pytest.fixture
def dataset(settings, tiny_data):
    curriculum = parse_run_config(settings).curriculum
    return AnnealedDataset(tiny_data, curriculum, seed=3, batch_size=2)


def test_serves_the_plan_and_the_blocks_that_are_on_disk(dataset, tiny_data):
    plan = dataset.plan
    seen = set()
    for segment in range(plan.num_segments):
        served = list(dataset)
        composition = np.bincount([block["stream"] for block in served], minlength=len(plan.streams))
        assert composition.tolist() == plan.blocks[segment].tolist()
        for block in served:
            name = plan.streams[block["stream"]]
            stored = LocalDataset(str(tiny_data / name))[block["index"]]
            assert np.array_equal(block["input_ids"], stored["input_ids"])
            assert np.array_equal(block["cu_seqlens"], stored["cu_seqlens"])
            key = (name, block["index"], block["visit"])
            assert key not in seen
            seen.add(key)
    assert len(seen) == plan.blocks.sum()
    # no block a second time before its stream's pass is complete
    for name, size in zip(plan.streams, plan.sizes, strict=True):
        visits = [visit for stream, _, visit in seen if stream == name]
        for visit in range(max(visits, default=0)):
            assert visits.count(visit) == size.blocks
    assert max(visit for *_, visit in seen) > 0  # the small languages do come round again


def test_blocks_come_in_the_order_of_the_draws(dataset):
    draws = BlockSampler(dataset.plan).segment(0)
    expected = list(zip(draws.stream.tolist(), draws.index.tolist(), draws.visit.tolist(), strict=True))
    assert [(block["stream"], block["index"], block["visit"]) for block in dataset] == expected


def test_state_at_a_segments_end_is_the_next_segment(dataset):
    for _ in dataset:
        pass
    assert dataset.state_dict(0, True)["epoch"] == 1
    assert dataset.state_dict(16, True) | {"chain": None} == {
        "epoch": 0,
        "sample_in_epoch": 16,
        "num_canonical_nodes": 1,
        "shuffle_seed": 3,
        "initial_physical_nodes": None,
        "chain": None,
    }


def test_resumes_inside_a_segment(dataset, settings, tiny_data):
    whole = [(block["stream"], block["index"], block["visit"]) for block in dataset]
    state = dataset.state_dict(6, True)
    again = AnnealedDataset(tiny_data, parse_run_config(settings).curriculum, seed=3, batch_size=2)
    again.load_state_dict(state)
    rest = [(block["stream"], block["index"], block["visit"]) for block in again]
    assert rest == whole[6:]


def test_the_order_does_not_depend_on_canonical_nodes(dataset, settings, tiny_data):
    whole = [(block["stream"], block["index"], block["visit"]) for block in dataset]
    state = dataset.state_dict(8, True)
    settings["data"]["num_canonical_nodes"] = 4
    again = AnnealedDataset(tiny_data, parse_run_config(settings).curriculum, seed=3, batch_size=2)
    again.load_state_dict(state)
    assert [(block["stream"], block["index"], block["visit"]) for block in again] == whole[8:]


def test_refuses_another_plan(dataset, settings, tiny_data):
    next(iter(dataset))
    state = dataset.state_dict(6, True)
    settings["curriculum"]["phases"][0]["mixture"]["tiny"]["languages"] = 3
    other = AnnealedDataset(tiny_data, parse_run_config(settings).curriculum, seed=3, batch_size=2)
    with pytest.raises(UserError, match="made with another plan"):
        other.load_state_dict(state)


def test_later_phases_may_change(dataset, settings, tiny_data):
    next(iter(dataset))
    state = dataset.state_dict(6, True)
    settings["curriculum"]["phases"][2]["mixture"]["tiny"]["tau"] = 0.1
    other = AnnealedDataset(tiny_data, parse_run_config(settings).curriculum, seed=3, batch_size=2)
    other.load_state_dict(state)
    assert len(list(other)) == 10


def test_refuses_a_block_size_that_is_not_the_datas(settings, tiny_data):
    settings["data"]["block_size"] = 128
    with pytest.raises(UserError, match=r"its blocks hold 64 tokens, but data.block_size is 128"):
        AnnealedDataset(tiny_data, parse_run_config(settings).curriculum, seed=3, batch_size=2)
