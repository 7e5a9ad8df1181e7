import pytest

from mmbert_composer.config import parse_run_config
from mmbert_composer.doctor.disk import check_disk, compare, existing_parent, kept_checkpoints
from mmbert_composer.planning import plan_run


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 10 + 3),  # 28 steps, every 3 and phase ends
        ({"save_interval": "1024tok"}, 6 + 3),
        ({"save_num_checkpoints_to_keep": 2}, 2 + 1 + 3),
        ({"save_num_checkpoints_to_keep": 2, "callbacks": {"checkpoint_merging": {"last": 4}}}, 2 + 4 + 1 + 3),
        ({"save_num_checkpoints_to_keep": 0, "callbacks": {"checkpoint_merging": {}}}, 1 + 3 + 1 + 3),
    ],
)
def test_how_many_checkpoints(settings, changes, count):
    config = parse_run_config(settings | changes)
    assert kept_checkpoints(config, plan_run(config)) == count


def test_free_space(tmp_path):
    assert compare(tmp_path, 8 * 10**9, 10**9, 7).status == "ok"
    found = compare(tmp_path, 7 * 10**9, 10**9, 7)
    assert found.status == "problem"
    assert "7 checkpoints of 1.00 GB need 7.70 GB" in found.what
    assert "save_num_checkpoints_to_keep" in found.mend


def test_a_run(settings, tmp_path):
    config = parse_run_config(settings)
    found = check_disk(config, plan_run(config))
    assert found.status == "ok"
    assert str(tmp_path) in found.what  # the run's own folder is not there yet
    assert existing_parent(tmp_path / "a" / "b") == tmp_path
    config = parse_run_config(settings | {"save_folder": None})
    assert check_disk(config, plan_run(config)).status == "note"
