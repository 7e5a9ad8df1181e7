import pytest

from mmbert_composer.builders.start_point import find_start
from mmbert_composer.config import parse_run_config

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
