"""Which rank gets which block, by Streaming's own partition: a step has the same blocks on any number of ranks."""

import random

import numpy as np
import pytest
from streaming.base.batching.random import generate_work_random_batching
from streaming.base.world import World

from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.config import parse_run_config
from mmbert_composer.curriculum import BlockSampler
from mmbert_composer.data.annealed_dataset import AnnealedDataset


@pytest.fixture
def planned(settings, tiny_data):
    """A dataset of segments of 144 blocks whose batches warm up from 12 to 24 and 48 blocks."""
    settings["data"] |= {"segment_blocks": 144, "num_canonical_nodes": 8}
    settings |= {"global_train_batch_size": 48, "batch_size_multiple": 12}
    warm_up = {"from": 12, "to": 48, "curve": "equal_steps", "over": f"{144 * 64}tok"}
    settings["curriculum"]["phases"] = [
        {**settings["curriculum"]["phases"][0], "duration": f"{144 * 64 * 3}tok", "batch_size": warm_up}
    ]
    curriculum = parse_run_config(settings).curriculum
    return AnnealedDataset(tiny_data, curriculum, seed=3, batch_size=1)


def served(dataset, shape, micro_batch, segment, begin):
    """[rank][sample]: what each rank reads of the rest of a segment, in the order its loader hands it out.

    A loader takes a batch of each of its workers in turn and passes over those that have no more.
    """
    nodes, ranks, workers = shape
    dataset.batch_size = micro_batch
    world = World(nodes, ranks, max(1, workers), 0)
    work = generate_work_random_batching(dataset, world, segment, begin)
    ids = work.transpose(0, 1, 3, 2, 4).reshape(nodes * ranks, -1)
    return [rank[rank != -1].tolist() for rank in ids]


SHAPES = [
    (nodes, ranks, workers)
    for nodes in (1, 2, 3, 4, 6, 12)
    for ranks in (1, 2, 3, 4, 6, 12)
    for workers in (0, 1, 2, 3)
    if 12 % (nodes * ranks) == 0
]


def walk(dataset, shapes):
    """(step, its blocks over all ranks in rank order) of a whole run; ``shapes(step)`` gives the nodes of a restart."""
    curriculum = dataset.curriculum
    shape, rest = shapes(0), None
    for step, (token, blocks) in enumerate(curriculum.steps()):
        segment, begin = divmod(token // curriculum.block_size, curriculum.segment_blocks)
        restart = shapes(step)
        if rest is None or begin == 0 or restart != shape:
            shape = restart
            micro_batch = micro_batch_size(curriculum, shape[0] * shape[1], at_most=4)
            rest = served(dataset, shape, micro_batch, segment, begin)
        share = blocks // len(rest)
        yield step, [sample for rank in rest for sample in rank[:share]]
        rest = [rank[share:] for rank in rest]
        if begin + blocks == curriculum.segment_blocks:
            assert not any(rest), "a rank has blocks left at the segment's end"


def test_any_nodes_ranks_and_workers_see_the_same_steps(planned):
    drawn = {segment: planned.resample_streams(segment)[1].tolist() for segment in range(planned.plan.num_segments)}
    assert len({sample for samples in drawn.values() for sample in samples}) == 3 * 144
    for shape in SHAPES:
        position = 0
        for _, samples in walk(planned, lambda step, shape=shape: shape):
            segment, begin = divmod(position, 144)
            assert sorted(samples) == sorted(drawn[segment][begin : begin + len(samples)]), (shape, position)
            position += len(samples)
        assert position == 3 * 144


def test_restarts_on_other_nodes_change_nothing(planned):
    expected = [sorted(samples) for _, samples in walk(planned, lambda step: (1, 1, 0))]
    assert {len(samples) for samples in expected} == {12, 24, 36, 48}
    for seed in range(30):
        source = random.Random(seed)
        shapes = [source.choice(SHAPES)]
        for _ in expected:
            shapes.append(source.choice(SHAPES) if source.random() < 0.3 else shapes[-1])
        mixed = [sorted(samples) for _, samples in walk(planned, shapes.__getitem__)]
        assert mixed == expected, seed


def test_a_checkpoint_of_streamings_own_deal_is_continued(planned, tiny_data):
    """States that name canonical nodes and the nodes at the start (as Streaming writes them) are dealt alike."""
    next(iter(planned))
    state = planned.state_dict(36, True) | {"num_canonical_nodes": 8, "initial_physical_nodes": 4}
    again = AnnealedDataset(tiny_data, planned.curriculum, seed=3, batch_size=1)
    again.load_state_dict(state)
    blocks = [[block["stream"], block["index"], block["visit"]] for block in again]
    drawn = BlockSampler(planned.plan).segment(0)
    assert blocks == np.stack([drawn.stream, drawn.index, drawn.visit], axis=1)[36:].tolist()
