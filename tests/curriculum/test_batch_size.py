import pytest

from mmbert_composer.curriculum.batch_size import parse_batch_size
from mmbert_composer.errors import UserError


def test_equal_steps_by_hand():
    # sizes 2, 4, 6 each for the same number of steps over 1,200 tokens: 2/12, 4/12 and 6/12 of them
    size = parse_batch_size({"from": 2, "to": 8, "curve": "equal_steps", "over": "1_200tok"}, 2, "batch_size")
    assert [size.at(token, 10**6) for token in (0, 199, 200, 599, 600, 1199, 1200, 10**6)] == [2, 2, 4, 4, 6, 6, 8, 8]
    assert size.sizes == [2, 4, 6, 8]


def test_equal_steps_really_are():
    size = parse_batch_size({"from": 64, "to": 576, "curve": "equal_steps", "over": "60_000_000_000tok"}, 64, "b")
    token, steps = 0, {}
    while token < 60_000_000_000:
        blocks = size.at(token, 10**13)
        steps[blocks] = steps.get(blocks, 0) + 1
        token += blocks * 8192
    assert list(steps) == list(range(64, 576, 64))
    assert max(steps.values()) - min(steps.values()) <= 1


def test_other_curves_give_multiples():
    size = parse_batch_size({"from": 4, "to": 16, "curve": "linear"}, 4, "batch_size")
    assert [size.at(token, 100) for token in (0, 33, 34, 67, 99, 100)] == [4, 4, 8, 12, 12, 16]


def test_refuses_what_ranks_could_not_share():
    with pytest.raises(UserError, match=r"batch_size: 6 blocks is not a multiple of batch_size_multiple=4"):
        parse_batch_size(6, 4, "batch_size")
    with pytest.raises(UserError, match="must be a whole number of blocks"):
        parse_batch_size(0, 4, "batch_size")
