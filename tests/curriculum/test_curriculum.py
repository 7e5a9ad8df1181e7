import pytest

from mmbert_composer.curriculum import Curriculum, Phase, RopeTheta
from mmbert_composer.errors import UserError


def phases(**changes):
    everything = {"*": {"tau": 0.5}}
    return [
        Phase("a", "8_192tok", 0.3, 32, everything, lr={"from": 0, "to": 1, "over": "1_024tok"}),
        Phase("b", "4_096tok", {"from": 0.2, "to": 0.1}, 64, {"*": {"tau": {"from": 0.5, "to": 0.3}}}, 160_000)
        if not changes
        else Phase(**({"name": "b", "duration": "4_096tok", "mask_ratio": 0.2, "max_seq_len": 64} | changes)),
    ]


def curriculum(rows=None, **options):
    defaults = {"block_size": 64, "segment_blocks": 32, "global_train_batch_size": 8, "num_canonical_nodes": 8}
    return Curriculum(rows or phases(), **(defaults | options))


def test_values_at_phase_edges():
    c = curriculum()
    assert [phase.segments for phase in c.phases] == [4, 2]
    assert (c.total_tok, c.num_segments) == (12_288, 6)
    before, after = c.at(8191), c.at(8192)
    assert (before.phase, after.phase) == ("a", "b")
    assert (before.mask_ratio, after.mask_ratio) == (0.3, 0.2)
    assert (before.max_seq_len, after.max_seq_len) == (32, 64)
    assert (before.rope_theta, after.rope_theta) == (RopeTheta(10_000, 10_000), RopeTheta(160_000, 160_000))
    assert (c.at(0).lr, c.at(512).lr, before.lr, after.lr) == (0.0, 0.5, 1.0, 1.0)
    assert c.at(8192 + 2048).mask_ratio == pytest.approx(0.15)
    assert c.at(10**9).phase == "b"


def test_tau_is_that_of_the_segments_middle():
    c = curriculum()
    assert [c.tau_at(segment)["*"] for segment in range(6)] == pytest.approx([0.5] * 4 + [0.45, 0.35])


def test_durations_are_rounded_to_whole_segments():
    c = curriculum([Phase("a", "3_000tok", 0.3, 32, {"*": {}})])
    assert c.total_tok == 2048
    assert c.rounding() == ["phase 'a': 3.00k tokens became 2.05k (whole segments of data.segment_blocks=32: 1)"]
    assert curriculum([Phase("a", "1tok", 0.3, 32, {"*": {}})]).num_segments == 1


def test_steps_fill_every_segment_and_the_last_of_one_may_be_short():
    warm_up = {"from": 2, "to": 8, "curve": "equal_steps", "over": "6_000tok"}
    c = curriculum([Phase("a", "8_192tok", 0.3, 32, {"*": {}}, batch_size=warm_up)], batch_size_multiple=2)
    assert c.batch_divisor == 2
    steps = list(c.steps())
    token = 0
    for start, blocks in steps:
        assert start == token
        assert start // 2048 == (start + blocks * 64 - 1) // 2048  # no step crosses a segment's edge
        assert blocks % 2 == 0
        token += blocks * 64
    assert token == c.total_tok
    assert {blocks for _, blocks in steps} == {2, 4, 6, 8}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment_blocks": 30}, "must be a multiple of data.num_canonical_nodes=8"),
        ({"global_train_batch_size": 24}, r"must be a multiple of the batch of 24 blocks \(phase 'a'\); nearest: 24"),
        ({"max_passes": 0}, "max_passes=0 must be above 0"),
        ({"block_size": 32}, "phase 'b': max_seq_len=64 is above the block size of the data, 32"),
    ],
)
def test_errors(options, message):
    with pytest.raises(UserError, match=message):
        curriculum(**options)


def test_no_phases():
    with pytest.raises(UserError, match="write at least one phase"):
        Curriculum([], block_size=64, segment_blocks=32, global_train_batch_size=8)
