from pathlib import Path

import pytest

from mmbert_composer.builders.start_point import _checkpoint_seed, find_start
from mmbert_composer.config import parse_run_config
from mmbert_composer.errors import UserError

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")


@pytest.mark.parametrize("theta", [10_000, {"global": 160_000, "local": 40_000}])
def test_the_rotary_base_of_the_weights_is_told_where_it_changes(tmp_path, settings, save_hf, theta):
    hf = save_hf()
    settings["curriculum"]["phases"][0]["rope_theta"] = theta
    start = find_start(parse_run_config({**settings, "load_path": str(hf), "load_as": "weights"}), tmp_path / "run")
    assert (start.kind, start.path) == ("weights", hf)
    if theta == 10_000:
        assert start.describe().endswith(
            "weights restored; new optimizer, clock and cursors. NOTE: they were last trained with RoPE theta 160_000 "
            "global, 40_000 local, and phase 'one' sets 10_000 and 10_000; if that is not meant, set its rope_theta"
        )
    else:
        assert start.describe().endswith("new optimizer, clock and cursors")


@pytest.mark.parametrize(
    ("drew", "asked", "message"),
    [
        (None, 8192, r"data.shuffle_window=8192, but the checkpoint ep1.pt drew its blocks without one; .* Remove it"),
        (
            4096,
            None,
            r"data.shuffle_window=None, but the checkpoint ep1.pt drew its blocks with 4096; .*Set it to",
        ),
        (4096, 4096, None),
    ],
)
def test_another_shuffle_window_than_the_checkpoints_is_refused(settings, drew, asked, message):
    settings["data"]["shuffle_window"] = asked
    state = {"data_seed": 3, "shuffle_window": drew, "cursors": {}}
    content = {"state": {"callbacks": {"LanguageAnnealing": state}}}
    if message is None:
        assert _checkpoint_seed(parse_run_config(settings), content, Path("ep1.pt")) == 3
        return
    with pytest.raises(UserError, match=message):
        _checkpoint_seed(parse_run_config(settings), content, Path("ep1.pt"))
