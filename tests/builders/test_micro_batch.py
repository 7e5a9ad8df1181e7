import pytest

from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.config import parse_run_config
from mmbert_composer.errors import UserError


@pytest.fixture
def curriculum(settings):
    settings["global_train_batch_size"] = 16
    settings["batch_size_multiple"] = 8
    for phase in settings["curriculum"]["phases"]:
        phase.pop("batch_size", None)
    settings["curriculum"]["phases"][0]["batch_size"] = {"from": 8, "to": 16}
    return parse_run_config(settings).curriculum


@pytest.mark.parametrize(
    ("ranks", "at_most", "expected"), [(1, 100, 8), (1, 7, 4), (1, 1, 1), (2, 3, 2), (4, 6, 2), (8, 6, 1)]
)
def test_largest_divisor(curriculum, ranks, at_most, expected):
    assert curriculum.batch_divisor == 8
    assert micro_batch_size(curriculum, ranks, at_most) == expected


def test_ranks_that_do_not_divide(curriculum):
    with pytest.raises(UserError, match="3 ranks cannot share batches that are multiples of 8 blocks; use 1, 2, 4, 8"):
        micro_batch_size(curriculum, 3, 6)
