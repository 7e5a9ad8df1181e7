import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.merging.check_merge import check_merge
from mmbert_composer.merging.merge_method import MergeMethod


@pytest.fixture
def folders(tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("models", "out", "method", "base", "text"),
    [
        (["one", "two"], "three", "linear", None, "three: exists already; choose another output folder or remove it"),
        (["one"], "out", "linear", None, "1 model given; method=linear needs two or more"),
        (["one", "two", "three"], "out", "slerp", None, "3 models given; method=slerp needs two$"),
        (["one", "two"], "out", "linear", "three", "a base is for method=ties or task_arithmetic, not for linear"),
        (["one", "two"], "out", "ties", None, "method=ties needs a base: the model that the others were trained from"),
        (["one", "none"], "out", "linear", None, "none: no such file or folder; expected a checkpoint, a run folder"),
        (["one"], "out", "ties", "none", "none: no such file or folder"),
        (["one", "."], "out", "linear", None, r"no model_config\.json beside it, so its architecture is unknown"),
    ],
)
def test_refused(folders, models, out, method, base, text):
    with pytest.raises(UserError, match=text):
        check_merge(
            [folders / name for name in models],
            folders / out,
            MergeMethod(method),
            None if base is None else folders / base,
        )


def test_passed(folders):
    check_merge([folders / "one"], folders / "out", MergeMethod("task_arithmetic"), folders / "two")
