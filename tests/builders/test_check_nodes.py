import pytest

from mmbert_composer.builders.check_nodes import check_ranks
from mmbert_composer.errors import UserError


@pytest.mark.parametrize("ranks", [[(0, 1)], [(0, 1), (0, 1), (0, 1)], [(0, 2), (1, 2), (0, 2), (1, 2)]])
def test_nodes_of_one_size(ranks):
    check_ranks(ranks)


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ([(0, 2), (1, 2), (0, 1)], "3 ranks on nodes of 1, 2 ranks: start the same number on every node"),
        ([(0, 2), (1, 2), (0, 2)], "3 ranks on nodes of 2 ranks: start"),
        ([(0, 2), (0, 2), (1, 2), (1, 2)], "rank 1 is number 0 on its node; with 2 ranks a node it must be 1"),
    ],
)
def test_refuses_others(ranks, message):
    with pytest.raises(UserError, match=message):
        check_ranks(ranks)
