import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmbert_composer.data.prepare import claimed, run_job
from mmbert_composer.data.preparing import disk_space
from mmbert_composer.data.preparing.disk_space import DiskFullError, check_space, parse_size, size
from mmbert_composer.data.preparing.local_engine import local_engine
from mmbert_composer.errors import UserError
from tests.data.preparing.conftest import Request, content, many_documents, quiet

HERE = local_engine(1)


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """A write beyond it fails as on a full disk, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [2_000, 60_000])
def test_a_write_that_fails_stops_the_job_and_what_is_done_is_kept(
    limit: int, write_corpus: Callable[..., str], request_of: Request
) -> None:
    many = write_corpus("many", many_documents(1_500))
    whole = run_job(request_of(many, out="whole"), HERE, quiet)
    request = request_of(many)
    with claimed(request, quiet):
        pass
    with largest_file(limit), pytest.raises(DiskFullError, match=r"disk of .* is full: .* free, about .* needed to go"):
        run_job(request, HERE, quiet)
    state = request.out / ".prepare"
    assert (state / "routed.json").exists() == (limit > 2_000)
    assert list((state / "tmp").iterdir()) == []
    assert not list((state / "failed").glob("*"))
    assert content(run_job(request, HERE, quiet).root) == content(whole.root)


def test_no_room_for_the_plan_is_said_too(corpus: str, request_of: Request) -> None:
    request = request_of(corpus)
    with largest_file(100), pytest.raises(DiskFullError, match=r"disk of .* is full"):
        run_job(request, HERE, quiet)
    assert run_job(request, HERE, quiet).ledger["documents"] == 145


def test_a_disk_that_cannot_hold_the_blocks_is_said_before_any_work(
    corpus: str, request_of: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 5_000)
    request = request_of(corpus)
    with pytest.raises(DiskFullError, match=r"5 kB are free there, about \d+\.?\d* kB are needed; make room"):
        run_job(request, HERE, quiet)
    assert not request.out.exists()
    said: list[str] = []
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 30_000)
    run_job(request, HERE, said.append)
    assert any("30 kB are free there, about" in line for line in said)


def test_space_is_asked_of_the_folder_above_one_that_does_not_exist(tmp_path: Path) -> None:
    assert check_space(tmp_path / "a" / "b", 1) is None


@pytest.mark.slow
def test_on_a_small_file_system(write_corpus: Callable[..., str], request_of: Request, tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        many = write_corpus("many", many_documents(40_000))
        request = request_of(many, out="small/data", range_bytes=100_000)
        for workers in (1, 2):
            with pytest.raises(DiskFullError, match=r"small/data is full: .* make room, then run the same command"):
                run_job(request, local_engine(workers), quiet)
        subprocess.run(["mount", "-o", "remount,size=100m", str(place)], check=True)
        assert run_job(request, HERE, quiet).ledger["documents"] == 44_000
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2GB", 2_000_000_000), ("1.5 MB", 1_500_000), ("700", 700), ("1_000k", 1_000_000), ("3T", 3 * 10**12)],
)
def test_sizes_are_read(text: str, expected: int) -> None:
    assert parse_size("task-bytes", text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-2GB", "0", "two"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UserError, match=r"task-bytes=.* must be a size above 0, as 2GB"):
        parse_size("task-bytes", text)


def test_sizes_for_people() -> None:
    assert [size(n) for n in (0, 999, 1500, 2.5e9, 3e12, 4e15)] == [
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "2.5 GB",
        "3.0 TB",
        "4,000.0 TB",
    ]
