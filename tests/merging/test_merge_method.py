import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.merging.merge_method import MergeMethod


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": "tise"}, "method='tise' must be one of linear, ema, ties"),
        ({"decay": 1.0}, r"decay=1\.0 must be in \(0, 1\)"),
        ({"density": 0.0}, r"density=0\.0 must be in \(0, 1\]"),
        ({"lam": float("nan")}, "lambda=nan must be a finite number"),
        ({"weights": (0.5, 0.6)}, r"sum to 1\.1, not 1"),
        ({"method": "ties", "weights": (1.0,)}, "weights are for method=linear"),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(UserError, match=text):
        MergeMethod(**settings)


def test_parameters_name_what_is_used():
    assert MergeMethod().parameters() == {}
    assert MergeMethod(weights=(0.5, 0.5)).parameters() == {"weights": [0.5, 0.5]}
    assert MergeMethod("ema", decay=0.9).parameters() == {"decay": 0.9}
    assert MergeMethod("ties").parameters() == {"density": 0.2, "lambda": 1.0}


def test_a_weight_for_each_model():
    with pytest.raises(UserError, match="2 weights for 3 models"):
        MergeMethod(weights=(0.5, 0.5)).merger(3)
