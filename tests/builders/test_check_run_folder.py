"""Which folders a run may begin in."""

import pytest

from mmbert_composer.builders.run_folder import check_run_folder
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.run_lock import NAME as LOCK


@pytest.mark.parametrize("inside", [[], [LOCK], [LOCK, ".plan.json.4711.tmp"]])
def test_what_a_process_killed_at_its_very_first_file_leaves_is_no_obstacle(tmp_path, inside):
    for name in inside:
        (tmp_path / name).write_text("{")
    check_run_folder(tmp_path, autoresume=True)


@pytest.mark.parametrize("name", ["thesis.tex", ".plan.json.notes", "checkpoints"])
def test_anything_else_is_refused_by_name(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"something else than a run .{name}"):
        check_run_folder(tmp_path, autoresume=True)
