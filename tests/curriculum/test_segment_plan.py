import csv
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert_composer.curriculum import BlockSampler, Curriculum, Phase, SegmentPlan, StreamSize, make_plan
from mmbert_composer.curriculum.mixture import phase_shares
from mmbert_composer.errors import UserError
from tests.conftest import REAL_DATA


def sizes_of(blocks, source="s", block_size=64):
    return {
        f"{source}/{n:04d}": StreamSize(max(1, count * block_size - n % 7), count) for n, count in enumerate(blocks)
    }


def curriculum(rows, segment_blocks=64, **options):
    options = {"block_size": 64, "global_train_batch_size": 8, "max_passes": None} | options
    return Curriculum(rows, segment_blocks=segment_blocks, **options)


def wave(name, segments, languages, tau, segment_blocks=64):
    return Phase(name, f"{segments * segment_blocks * 64}tok", 0.3, 64, {"s": {"languages": languages, "tau": tau}})


def deviation(plan, c, sizes):
    """Largest difference over time between blocks given and the exact share, in blocks."""
    target = np.zeros(len(plan.streams))
    worst = 0.0
    free = np.full(len(plan.streams), np.inf)
    for phase in c.phases:
        for number, shares in enumerate(phase_shares(c, phase, plan.streams, sizes, free)):
            target += shares * c.segment_blocks
            given_blocks = plan.cursors_at(phase.first_segment + number + 1) - plan.cursors
            worst = max(worst, np.abs(given_blocks - target).max())
    return worst


rows = st.lists(st.integers(1, 400), min_size=3, max_size=30)


@settings(max_examples=60)
@given(rows, st.floats(0, 1), st.floats(0, 1), st.integers(1, 12), st.integers(1, 12), st.data())
def test_shares_are_met_within_a_block(blocks, first, second, some, more, data):
    joined = data.draw(st.integers(1, len(blocks)))
    sizes = sizes_of(blocks)
    c = curriculum([wave("a", some, joined, first), wave("b", more, None, second)])
    plan = make_plan(c, sizes, data_seed=1)
    assert (plan.blocks.sum(axis=1) == 64).all()
    assert (plan.blocks >= 0).all()
    assert deviation(plan, c, sizes) < 1.25  # 1 within a phase; see apportion
    later = [name for name in plan.streams if name not in sorted(sizes, key=lambda n: (-sizes[n].tokens, n))[:joined]]
    columns = [plan.streams.index(name) for name in later]
    assert plan.blocks[:some, columns].sum() == 0


@settings(max_examples=40)
@given(rows, st.integers(1, 10), st.integers(0, 3))
def test_no_repeat_before_a_pass_is_complete(blocks, segments, parts):
    sizes = sizes_of(blocks)
    if parts > 1:  # streams of several parts
        sizes = {
            name: StreamSize(size.tokens, size.blocks, (size.blocks - size.blocks // 2, size.blocks // 2))
            if size.blocks > 1
            else size
            for name, size in sizes.items()
        }
    plan = make_plan(curriculum([wave("a", segments, None, 0.3)]), sizes, data_seed=2)
    sampler = BlockSampler(plan)
    seen = {}
    for segment in range(segments):
        draws = sampler.segment(segment)
        assert np.bincount(draws.stream, minlength=len(plan.streams)).tolist() == plan.blocks[segment].tolist()
        for stream, index, visit in zip(draws.stream, draws.index, draws.visit, strict=True):
            assert 0 <= index < plan.sizes[stream].blocks
            assert seen.get((stream, index), 0) == visit
            seen[stream, index] = visit + 1
    for stream, size in enumerate(plan.sizes):
        visits = [seen.get((stream, index), 0) for index in range(size.blocks)]
        assert max(visits) - min(visits) <= 1


def test_cursors_go_on_where_another_run_stopped():
    sizes = sizes_of([50, 20, 5])
    whole = make_plan(curriculum([wave("a", 3, None, 0.5), wave("b", 3, None, 0.2)]), sizes, data_seed=3)
    first = make_plan(curriculum([wave("a", 3, None, 0.5)]), sizes, data_seed=3)
    reached = dict(zip(first.streams, first.cursors_at(3).tolist(), strict=True))
    second = make_plan(curriculum([wave("b", 3, None, 0.2)]), sizes, data_seed=3, cursors=reached)
    seen = set()
    for plan in (first, second):
        for segment in range(3):
            draws = BlockSampler(plan).segment(segment)
            rows = set(zip(draws.stream.tolist(), draws.index.tolist(), draws.visit.tolist(), strict=True))
            assert not rows & seen
            seen |= rows
    for stream, drawn in enumerate(second.cursors_at(3)):
        size = sizes[second.streams[stream]].blocks
        expected = {(n % size, n // size) for n in range(drawn)}
        got = {(index, visit) for s, index, visit in seen if s == stream}
        assert {visit for _, visit in got} == {visit for _, visit in expected}
        assert len(got) == drawn
    assert whole.cursors_at(3).tolist() == first.cursors_at(3).tolist()


def test_a_stream_that_rests_for_a_run_keeps_its_cursor():
    sizes = sizes_of([50, 40, 30])
    first = make_plan(curriculum([wave("a", 2, None, 0.5)]), sizes, data_seed=3)
    reached = dict(zip(first.streams, first.cursors_at(2).tolist(), strict=True))
    second = make_plan(curriculum([wave("b", 2, 1, 0.5)]), sizes, data_seed=3, cursors=reached)
    after = dict(zip(second.streams, second.cursors_at(2).tolist(), strict=True))
    assert after == reached | {"s/0000": reached["s/0000"] + 128}
    assert (
        second.chain
        == make_plan(
            curriculum([wave("b", 2, 1, 0.5)]), sizes, data_seed=3, cursors={"s/0000": reached["s/0000"]}
        ).chain
    )  # the chain is of what is drawn


def test_order_of_languages_does_not_matter():
    sizes = sizes_of([70, 30, 9, 4])
    c = curriculum([wave("a", 4, None, 0.3)])
    plan, other = make_plan(c, sizes, data_seed=1), make_plan(c, dict(reversed(sizes.items())), data_seed=1)
    assert plan.streams == other.streams
    assert np.array_equal(plan.blocks, other.blocks)
    assert plan.chain == other.chain


def test_the_chain_is_equal_as_far_as_the_past_is():
    sizes = sizes_of([70, 30, 9, 4])
    plan = make_plan(curriculum([wave("a", 4, 3, 0.5), wave("b", 4, None, 0.3)]), sizes, data_seed=1)
    later = make_plan(curriculum([wave("a", 4, 3, 0.5), wave("b", 9, None, 0.1)]), sizes, data_seed=1)
    assert plan.chain[:5] == later.chain[:5]
    assert plan.chain[6:] != later.chain[6:9]
    assert len(set(plan.chain)) == 9
    for changed in (
        make_plan(curriculum([wave("a", 4, 2, 0.5), wave("b", 4, None, 0.3)]), sizes, data_seed=1),
        make_plan(curriculum([wave("a", 4, 3, 0.5), wave("b", 4, None, 0.3)]), sizes, data_seed=2),
        make_plan(curriculum([wave("a", 4, 3, 0.5), wave("b", 4, None, 0.3)]), sizes_of([71, 30, 9, 4]), data_seed=1),
    ):
        assert changed.chain[1] != plan.chain[1]
    # a stream that is not drawn from yet changes nothing
    same = curriculum([wave("a", 4, 3, 0.5), wave("b", 4, None, 0.3)])
    more = make_plan(same, sizes_of([70, 30, 9, 4, 1]), data_seed=1)
    assert more.chain[:5] == plan.chain[:5]


def test_max_passes_over_the_whole_run():
    sizes = sizes_of([200, 100, 3, 2])
    c = curriculum([wave("a", 4, None, 0.0), wave("b", 4, None, 0.0)], max_passes=2)
    plan = make_plan(c, sizes, data_seed=1, cursors={"s/0002": 5})
    drawn = dict(zip(plan.streams, plan.cursors_at(8).tolist(), strict=True))
    assert drawn["s/0002"] == 6  # one of its six draws was left
    assert drawn["s/0003"] == 4
    assert all(drawn[name] <= 2 * sizes[name].blocks for name in drawn)
    assert plan.blocks.sum() == 8 * 64


def test_too_little_data_names_the_longest_duration():
    c = curriculum([wave("a", 4, None, 0.5)], max_passes=2)
    message = r"max_passes=2 its 2 streams \(60 blocks\) are all capped; the longest .* \(4096tok, whole"
    with pytest.raises(UserError, match=message):
        make_plan(c, sizes_of([40, 20]), data_seed=1)


def test_json():
    plan = make_plan(curriculum([wave("a", 2, None, 0.5)]), sizes_of([40, 20]), data_seed=1, cursors={"s/0000": 3})
    content = json.loads(json.dumps(plan.to_json()))
    assert content["format"] == 1
    assert content["streams"] == ["s/0000", "s/0001"]
    assert content["cursors"] == [3, 0]
    assert [segment["phase"] for segment in content["segments"]] == ["a", "a"]
    assert [sum(segment["blocks"]) for segment in content["segments"]] == [64, 64]
    assert content["chain"] == list(plan.chain)


def real_counts():
    path = REAL_DATA / "mmbert-language-counts.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    key = next(iter(rows[0]))
    tokens = {row[key]: max(int(float(row[c] or 0)) for c in row if c != key) for row in rows}
    return {f"s/{code}": StreamSize(n, -(-n // 8192)) for code, n in tokens.items() if n > 0}


def test_the_real_counts_of_1834_streams():
    sizes = real_counts()
    assert len(sizes) > 1800
    blocks = 23_040

    def phase(name, segments, languages, tau):
        return Phase(name, f"{segments * blocks * 8192}tok", 0.3, 1024, {"s": {"languages": languages, "tau": tau}})

    half = [name.split("/")[1] for name in sorted(sizes)][::2]
    c = Curriculum(
        [phase("a", 6, 60, 0.7), phase("b", 5, None, 0.3), phase("c", 5, half, 0.3)],
        block_size=8192,
        segment_blocks=blocks,
        global_train_batch_size=576,
        max_passes=None,
    )
    plan = make_plan(c, sizes, data_seed=1)
    assert (plan.blocks.sum(axis=1) == blocks).all()
    assert deviation(plan, c, sizes) < 1.0
    capped = make_plan(
        Curriculum(
            [phase("a", 6, 60, 0.7), phase("b", 5, None, 0.3)],
            block_size=8192,
            segment_blocks=blocks,
            global_train_batch_size=576,
            max_passes=5,
        ),
        sizes,
        data_seed=1,
    )
    assert (capped.cursors_at(11) <= 5 * capped.stream_blocks).all()
    assert (capped.cursors_at(11) == 5 * capped.stream_blocks).sum() > 100  # the cap does bind


def test_a_shuffle_window_belongs_to_the_plan_and_keeps_every_block():
    c, sizes = curriculum([wave("a", 6, None, 0.5)]), sizes_of([300, 40, 9])
    plain, windows = make_plan(c, sizes, data_seed=1), make_plan(c, sizes, data_seed=1, shuffle_window=50)
    assert not set(plain.chain) & set(windows.chain)
    assert windows.to_json()["shuffle_window"] == 50
    assert "shuffle_window" not in plain.to_json()
    draws = [BlockSampler(windows).segment(segment) for segment in range(6)]
    blocks = [tuple(row) for d in draws for row in np.stack([d.stream, d.index, d.visit], axis=1).tolist()]
    assert len(set(blocks)) == len(blocks) == 6 * 64
    for stream, held in enumerate(windows.stream_blocks.tolist()):
        first_pass = [index for s, index, visit in blocks if s == stream and visit == 0]
        assert len(first_pass) == min(held, windows.cursors_at(6)[stream])
    # the largest is drawn window by window: 50 neighbours on the ring of its 300 blocks
    largest = np.array([index for s, index, _ in blocks if s == 0])[:50]
    assert np.ptp(np.sort((largest - largest[0] + 50) % 300)) < 50


def test_draws_are_those_of_every_version():
    """A run that is continued by a later version draws what it would have drawn."""
    plan = SegmentPlan(
        block_size=64,
        segment_blocks=48,
        data_seed=5,
        streams=("a/deu", "a/eng", "b/und"),
        sizes=(StreamSize(1, 7, (5, 2)), StreamSize(1, 40), StreamSize(1, 3)),
        cursors=np.array([3, 0, 0]),
        phases=("p", "p"),
        blocks=np.array([[12, 30, 6], [8, 40, 0]]),
    )
    assert plan.chain[-1] == "6202d0a7604edeb22bc80568cc8e06e7"
    for segment, digest in enumerate(["0b6bc7c66a783490", "a8c8e1d7b27bb9e3"]):
        draws = BlockSampler(plan).segment(segment)
        parts = [array.tobytes() for array in (draws.stream, draws.index, draws.visit)]
        assert hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest() == digest
