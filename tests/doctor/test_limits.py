import resource
from pathlib import Path

import pytest

from mmbert_composer.doctor.limits import check_hub, check_open_files, check_system, check_temporary


@pytest.mark.parametrize(
    ("soft", "hard", "status", "mend"),
    [
        (1024, 524_288, "note", "ulimit -n 16384"),
        (1024, 4096, "note", "ulimit -n 4096"),
        (1024, resource.RLIM_INFINITY, "note", "ulimit -n 16384"),
        (4096, 4096, "ok", ""),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, "ok", ""),
    ],
)
def test_open_files(soft, hard, status, mend):
    found = check_open_files(soft, hard)
    assert (found.status, found.mend) == (status, mend)


def test_the_temporary_folder(tmp_path):
    assert check_temporary(Path("/tmp")).status == "ok"
    gone = check_temporary(tmp_path / "gone")
    assert gone.status == "problem"
    assert "cannot be written: No such file or directory" in gone.what
    long = tmp_path / ("x" * 100)
    long.mkdir()
    found = check_temporary(long)
    assert (found.status, found.mend) == ("note", "set a shorter TMPDIR")
    assert not list(long.iterdir())


def test_the_hub_is_not_asked():
    assert "HF_HUB_OFFLINE is set" in check_hub({"HF_HUB_OFFLINE": "1"}).what
    assert "was not tried" in check_hub({}).what


def test_this_process():
    assert len(check_system()) == 3
