import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mmbert_composer.runtime.process_identity import ProcessIdentity
from mmbert_composer.runtime.shared_memory_register import register, register_folder, sweep

RUN = """
import os, sys
from pathlib import Path
from mmbert_composer.runtime.shared_memory_register import register, sweep
memory, prefix, how, user = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
os.setuid(user)
print(sweep(shared_memory=memory), flush=True)
register(prefix, shared_memory=memory)
for name in ("locals", "shard_states"):
    (memory / f"{prefix}_{name}").write_text("x")
for name in ("barrier_filelock", "cache_filelock"):
    (Path(os.environ["TMPDIR"]) / f"{prefix}_{name}").write_text("")
if how == "dies":
    os.kill(os.getpid(), 9)
"""


def run(memory, prefix, temporary, how="dies", user=None):
    """A process that uses ``prefix`` and dies or exits; what its own sweep found."""
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o777)
    command = [sys.executable, "-c", RUN, str(memory), str(prefix), how, str(os.getuid() if user is None else user)]
    environment = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == (-9 if how == "dies" else 0), done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def memory(tmp_path):
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


def test_what_a_killed_process_left_is_swept_from_another_tmpdir(memory, tmp_path):
    run(memory, 10_000_001, tmp_path / "first")
    (memory / "10000001234_locals").write_text("of another prefix that begins alike")
    (memory / "000000_locals").write_text("of a run that is not ours")
    assert len(list((tmp_path / "first").iterdir())) == 2
    assert run(memory, 10_000_002, tmp_path / "second", "exits") == [10_000_001]
    assert list((tmp_path / "first").iterdir()) == []
    left = {path.name for path in memory.iterdir() if path.is_file()}
    # Streaming itself removes its memory when a process exits; its locks, which it leaves, are forgotten with the entry
    assert left == {"10000001234_locals", "000000_locals", "10000002_locals", "10000002_shard_states"}
    assert list((tmp_path / "second").iterdir()) == []
    assert list(register_folder(memory).iterdir()) == []


def test_what_lives_or_cannot_be_known_stays(memory, monkeypatch):
    register(10_000_003, shared_memory=memory)
    (memory / "10000003_locals").write_text("mine")
    elsewhere = ProcessIdentity("pod", 1, "another container", 5).to_json()
    entry = register_folder(memory) / "10000004.1"
    entry.write_text(json.dumps({"process": elsewhere, "temporary": tempfile.gettempdir()}))
    (memory / "10000004_locals").write_text("theirs")
    # one rank of two is dead
    dead = ProcessIdentity.own().to_json() | {"started": 1}
    other = register_folder(memory) / "10000003.2"
    other.write_text(json.dumps({"process": dead, "temporary": tempfile.gettempdir()}))
    assert sweep(shared_memory=memory) == []
    assert (memory / "10000003_locals").exists()
    assert (memory / "10000004_locals").exists()
    (register_folder(memory) / f"10000003.{os.getpid()}").unlink()
    assert sweep(shared_memory=memory) == [10_000_003]
    assert not (memory / "10000003_locals").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="to become another user takes root")
def test_two_users(tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as shared:  # pytest's own folders are closed to others
        memory, theirs = Path(shared) / "shm", Path(shared) / "theirs"
        memory.mkdir()
        for folder in (Path(shared), memory):
            folder.chmod(0o1777)
        run(memory, 10_000_005, theirs, user=65534)
        assert run(memory, 10_000_006, tmp_path / "mine") == []
        assert (memory / "10000005_locals").exists()  # not ours to remove
        assert run(memory, 10_000_007, theirs, "exits", user=65534) == [10_000_005]
        assert sweep(shared_memory=memory) == [10_000_006]


def test_a_folder_that_others_can_write_to_is_not_believed(memory, tmp_path):
    precious = tmp_path / "10000008_barrier_filelock"
    precious.write_text("")
    folder = register_folder(memory)
    folder.mkdir()
    folder.chmod(0o777)
    dead = ProcessIdentity.own().to_json() | {"started": 1}
    (folder / "10000008.1").write_text(json.dumps({"process": dead, "temporary": str(tmp_path)}))
    assert sweep(shared_memory=memory) == []
    register(10_000_009, shared_memory=memory)
    assert precious.exists()
    assert [path.name for path in folder.iterdir()] == ["10000008.1"]
