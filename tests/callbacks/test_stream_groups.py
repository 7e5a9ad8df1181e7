"""Groups of streams by when they join and by size, and means over groups."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmbert_composer.callbacks.stream_groups import by_size, check_groups, group_means, joined_in
from mmbert_composer.errors import UserError


def test_joined_in_the_first_phase_that_draws():
    plan = SimpleNamespace(
        streams=("w/a", "w/b", "w/c", "w/d"),
        phases=("one", "one", "two"),
        blocks=np.array([[4, 0, 0, 0], [3, 1, 0, 0], [0, 2, 2, 0]]),
    )
    assert joined_in(plan, ["w/a", "w/b", "w/c", "w/d"]) == {"w/a": "one", "w/b": "one", "w/c": "two"}  # type: ignore[arg-type]


def test_thirds():
    assert by_size({"a": 5, "b": 9, "c": 5, "d": 1}) == {
        "b": "largest",
        "a": "largest",
        "c": "middle",
        "d": "smallest",
    }
    assert by_size({"a": 5}) == {"a": "largest"}


def test_every_stream_counts_the_same():
    assert group_means({"a": 1.0, "b": 3.0, "c": 7.0, "d": 9.0}, {"a": "x", "b": "x", "c": "y"}) == {"x": 2.0, "y": 7.0}


def test_unknown_group():
    with pytest.raises(UserError, match="groups: unknown group 'scripts': did you mean script"):
        check_groups(["scripts"], "intrinsic_eval: groups")
