import dataclasses
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.runtime.process_identity import ProcessIdentity
from mmbert_composer.runtime.run_lock import NAME, RunLock

HOLD = """
import sys, time
from pathlib import Path
from mmbert_composer.runtime.run_lock import RunLock
stopping = []
lock = RunLock(Path(sys.argv[1]), lambda: bool(stopping), beat=0.05)
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
stopping.append(1)
print("stopping", flush=True)
sys.stdin.readline()
lock.release()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of ``run``; a line to it makes it say that it is stopping, a second end."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def lock_in(folder, **options):
    return RunLock(folder, **{"beat": 0.05, "patience": 0.3, "stopping_patience": 0.3} | options)


def write(folder, process, **more):
    folder.mkdir(exist_ok=True)
    content = {"process": process.to_json(), "since": "2026-01-01 00:00:00", "beat": 3, "stopping": False} | more
    (folder / NAME).write_text(json.dumps(content).ljust(1024))


def test_the_second_run_is_refused_and_told_who_holds_it(holder, tmp_path):
    own = ProcessIdentity.own()
    expected = (
        rf"save_folder .*run is in use by process {holder.pid} on {own.host} since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d; "
    )
    with pytest.raises(UserError, match=expected):
        lock_in(tmp_path / "run").acquire()
    holder.kill()
    holder.wait()
    lock = lock_in(tmp_path / "run")  # and a dead one stands in nobody's way
    lock.acquire()
    with pytest.raises(UserError, match="in use by this process"):
        lock_in(tmp_path / "run").acquire()
    lock.release()
    assert not (tmp_path / "run" / NAME).exists()


def test_a_run_that_is_stopping_is_waited_for(holder, tmp_path):
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "stopping\n"
    while not json.loads((tmp_path / "run" / NAME).read_text())["stopping"]:
        time.sleep(0.01)
    with pytest.raises(UserError, match="is in use by process"):
        lock_in(tmp_path / "run").acquire()
    threading.Timer(0.2, lambda: print(file=holder.stdin, flush=True)).start()
    lock = lock_in(tmp_path / "run", stopping_patience=30)
    lock.acquire()
    lock.release()


def test_elsewhere_the_signs_of_life_count(tmp_path):
    folder = tmp_path / "run"
    elsewhere = dataclasses.replace(ProcessIdentity.own(), host="node7", machine="another boot")
    write(folder, elsewhere)
    lock = lock_in(folder)
    lock.acquire()  # nothing stirs
    lock.release()
    write(folder, elsewhere)
    threading.Timer(0.1, write, (folder, elsewhere), {"beat": 4}).start()
    with pytest.raises(UserError, match=r"in use by process .* on node7 since 2026-01-01 00:00:00"):
        lock_in(folder, patience=30).acquire()


def test_where_the_file_system_keeps_no_locks_the_process_counts(tmp_path):
    write(tmp_path / "run", ProcessIdentity.of(os.getppid()))
    with pytest.raises(UserError, match=f"in use by process {os.getppid()} "):
        lock_in(tmp_path / "run").acquire()
    write(tmp_path / "run", dataclasses.replace(ProcessIdentity.own(), started=1))
    lock = lock_in(tmp_path / "run")
    lock.acquire()
    lock.release()


def test_a_folder_made_for_the_lock_goes_with_it(tmp_path):
    lock = lock_in(tmp_path / "run")
    lock.acquire()
    lock.release()
    lock.release()
    assert not (tmp_path / "run").exists()
    lock = lock_in(tmp_path / "run")
    lock.acquire()
    (tmp_path / "run" / "plan.json").write_text("{}")
    lock.release()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["plan.json"]


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"save_folder .*run cannot be written to: Not a directory"):
        lock_in(tmp_path / "file" / "run").acquire()
