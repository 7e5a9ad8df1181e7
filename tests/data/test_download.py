import pytest

from mmbert_composer.data.download import download
from mmbert_composer.errors import UserError
from tests.flaky_remote import FlakyRemote


@pytest.fixture
def remote(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("content")
    return FlakyRemote(tmp_path / "there", monkeypatch)


def fetch(address, local, retries=3):
    download(address, local, retries=retries, timeout=1.0, pause=0.01)


def test_tries_again_until_it_has_the_file(remote, tmp_path, caplog):
    remote.failures = 2
    fetch(f"{remote.address}/file", tmp_path / "a/b/file")
    assert (tmp_path / "a/b/file").read_text() == "content"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["file"]
    assert caplog.text.count("could not be fetched (the line is down); trying again in 0 s") == 2


def test_gives_up_and_names_the_file(remote, tmp_path):
    remote.failures = 9
    with pytest.raises(UserError, match=r"flaky://there/file could not be fetched, after 4 tries: the line is down"):
        fetch(f"{remote.address}/file", tmp_path / "file")
    assert remote.tries == 4
    assert not list(tmp_path.glob("*file*"))


def test_a_folder_can_be_a_remote(tmp_path):
    (tmp_path / "file").write_text("content")
    fetch(str(tmp_path / "file"), tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"
    with pytest.raises(UserError, match=r"none could not be fetched, after 2 tries: .*No such file"):
        fetch(str(tmp_path / "none"), tmp_path / "copy2", retries=1)


def test_an_unknown_kind_of_remote(tmp_path):
    with pytest.raises(UserError, match=r"nowhere://x/y could not be fetched, after 1 try: Unsupported remote path"):
        fetch("nowhere://x/y", tmp_path / "y", retries=0)
