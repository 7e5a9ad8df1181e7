import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.methods import METHODS


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"method": "tise"},
            r"method='tise' must be one of linear, ema, ties, task_arithmetic, slerp; did you mean ties",
        ),
        ({"method": "ema", "decay": 1.0}, r"decay=1\.0 must be in \(0, 1\)"),
        ({"method": "ema", "decay": "0.5"}, r"decay='0\.5' must be a number"),
        ({"method": "ties", "density": 0.0}, r"density=0\.0 must be in \(0, 1\]"),
        ({"method": "ties", "density": True}, "density=True must be a number"),
        ({"method": "ties", "trim": "layer"}, "trim='layer' must be tensor or model"),
        ({"method": "ties", "lam": float("nan")}, "lambda=nan must be a finite number"),
        ({"method": "slerp", "t": 1.5}, r"t=1\.5 must be in \[0, 1\]"),
        ({"normalize": "yes"}, "normalize='yes' must be true or false"),
        ({"weights": (0.5, 0.6)}, r"sum to 1\.1, not 1; normalize: true scales them"),
        ({"weights": (1.0, -1.0), "normalize": True}, "sum to 0 and cannot be scaled"),
        ({"weights": ("a", 1.0)}, r"weights=\['a', 1\.0\] must be a list of numbers"),
        ({"method": "ties", "weights": (1.0, 0.0)}, "must be above 0; leave out a model that shall not count"),
        ({"method": "ema", "weights": (1.0,)}, "weights is for method=linear or ties or task_arithmetic, not for ema"),
        ({"density": 0.2}, "density is for method=ties, not for linear"),
        ({"method": "slerp", "lam": 1.0}, "lambda is for method=ties or task_arithmetic, not for slerp"),
        ({"method": "ties", "t": 0.5}, "t is for method=slerp, not for ties"),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(UserError, match=text):
        MergeMethod(**settings)


def test_parameters_name_what_is_used():
    assert MergeMethod().parameters() == {}
    assert MergeMethod(weights=(0.5, 0.5)).parameters() == {"weights": [0.5, 0.5]}
    assert MergeMethod(weights=(2, 6), normalize=True).parameters() == {"weights": [2, 6], "normalize": True}
    assert MergeMethod("ema", decay=0.9).parameters() == {"decay": 0.9}
    assert MergeMethod("ties").parameters() == {"density": 0.2, "trim": "tensor", "lambda": 1.0}
    assert MergeMethod("task_arithmetic", lam=0.4).parameters() == {"lambda": 0.4}
    assert MergeMethod("slerp").parameters() == {"t": 0.5}


@pytest.mark.parametrize(
    ("method", "count", "text"),
    [
        (MergeMethod(weights=(0.5, 0.5)), 3, "2 weights for 3 models; give one for each"),
        (MergeMethod("slerp"), 3, "3 models given; method=slerp needs two$"),
        (MergeMethod(), 1, "1 model given; method=linear needs two or more"),
        (MergeMethod("ties"), 0, "0 models given; method=ties needs one or more"),
    ],
)
def test_how_many_models(method, count, text):
    with pytest.raises(UserError, match=text):
        method.check_count(count)


def test_a_base_where_one_is_needed():
    with pytest.raises(UserError, match="method=ties needs a base"):
        MergeMethod("ties").check_base(None)
    with pytest.raises(UserError, match="a base is for method=ties or task_arithmetic, not for slerp"):
        MergeMethod("slerp").check_base("base")
    MergeMethod("task_arithmetic").check_base("base")
    MergeMethod().check_base(None)


def test_options_follow_their_models():
    weighted = MergeMethod(weights=(0.2, 0.3, 0.5))
    assert weighted.reordered([2, 0, 1]).weights == (0.5, 0.2, 0.3)
    assert MergeMethod("slerp", t=0.25).reordered([1, 0]).t == 0.75
    assert MergeMethod("slerp", t=0.25).reordered([0, 1]).t == 0.25


def test_every_method_has_a_paper():
    assert all(row.paper.startswith("https://") and row.summary for row in METHODS.values())
    assert list(METHODS) == [row.name for row in METHODS.values()]
