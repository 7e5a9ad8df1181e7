import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.export.atomic_folder import atomic_folder, remove_partial


def test_appears_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with atomic_folder(out) as folder:
        (folder / "a").write_text("a")
        assert not out.exists()
    assert (out / "a").read_text() == "a"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_error_leaves_nothing(tmp_path):
    def write():
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("a")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert not list(tmp_path.iterdir())


def test_existing_output(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(UserError, match="exists already"), atomic_folder(tmp_path / "out"):
        pass
    with pytest.raises(OSError, match="disk"), atomic_folder(tmp_path / "out", replace=True):
        raise OSError("disk full")
    assert (tmp_path / "out" / "old").read_text() == "old"
    with atomic_folder(tmp_path / "out", replace=True) as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_its_own_leftovers_go(tmp_path):
    for name in (".out.partial-0123", ".other.partial-0123", ".outer.partial-1", "out.partial-2"):
        (tmp_path / name).mkdir()
    remove_partial(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".other.partial-0123",
        ".outer.partial-1",
        "out.partial-2",
    ]
