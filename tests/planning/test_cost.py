import pytest

from mmbert_composer.curriculum import Curriculum, Phase
from mmbert_composer.planning.cost import cost_rows


def curriculum(multiple: int) -> Curriculum:
    phase = Phase("a", "36_864tok", 0.3, 64, {"*": {}}, batch_size={"from": multiple, "to": 576, "over": "9_216tok"})
    return Curriculum(
        [phase], block_size=64, segment_blocks=576, global_train_batch_size=576, batch_size_multiple=multiple
    )


def test_rows_are_the_counts_that_divide_the_batch():
    rows = cost_rows(curriculum(64), 6, 10.0)
    assert [row.gpus for row in rows] == [1, 2, 4, 8, 16, 32, 64]
    assert [row.micro_batch for row in rows] == [4, 4, 4, 4, 4, 2, 1]
    assert [row.gpus for row in cost_rows(curriculum(576), 6, 10.0)] == [n for n in range(1, 65) if 576 % n == 0]


def test_hours_and_money():
    rows = cost_rows(curriculum(64), 6, 10.0, 2.5)
    assert rows[0].hours == rows[0].gpu_hours == pytest.approx(36_864 / 10 / 3600)
    assert rows[3].hours == pytest.approx(rows[0].hours / 8)
    assert [row.price for row in rows] == pytest.approx([2.5 * 36_864 / 10 / 3600] * 7)
    assert cost_rows(curriculum(64), 6, 10.0)[0].price is None
