"""Labels by name and by number."""

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.data.label_index import label_index

MNLI, SIQA, PAWSX = (BY_NAME[name] for name in ("mnli", "siqa", "pawsx"))


@pytest.mark.parametrize(
    ("task", "value", "index"),
    [(MNLI, 2, 2), (MNLI, "contradiction", 2), (SIQA, "1", 0), (SIQA, 3, 2), (PAWSX, 0, 0), (PAWSX, "1", 1)],
)
def test_known(task, value, index):
    assert label_index(task, value, "row 1") == index


@pytest.mark.parametrize(
    ("task", "value"), [(MNLI, 3), (MNLI, -1), (MNLI, "maybe"), (SIQA, 0), (SIQA, "4"), (MNLI, None), (MNLI, True)]
)
def test_unknown(task, value):
    with pytest.raises(UserError, match=f"task {task.name}: row 1: label .*known are"):
        label_index(task, value, "row 1")
