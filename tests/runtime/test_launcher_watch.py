import os
import signal
import subprocess
import sys
import time

import pytest

from mmbert_composer.runtime.launcher_watch import end_with_launcher
from mmbert_composer.runtime.process_identity import ProcessIdentity

RANK = """
import os, signal, sys, time
from mmbert_composer.runtime.launcher_watch import end_with_launcher
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
assert end_with_launcher(every=0.01, grace=float(sys.argv[1])) is not None
print(os.getpid(), flush=True)
while True:
    time.sleep(0.01)
"""
LAUNCHER = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {RANK!r}, "0.2"], env=dict(os.environ, RANK="3"))
time.sleep(60)
"""


def test_a_rank_ends_with_its_launcher():
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert launcher.stdout is not None
    rank = int(launcher.stdout.readline())
    os.kill(launcher.pid, signal.SIGKILL)
    said, errors = launcher.communicate(timeout=30)  # the pipes close when the rank is gone
    assert said == b"asked\n"
    assert f"rank 3: its launcher (pid {launcher.pid}) is gone".encode() in errors
    assert b"rank 3: not stopped within 0 s: ended" in errors
    for _ in range(500):  # its pipes close a moment before it is gone
        if not ProcessIdentity.of(rank).is_alive():
            break
        time.sleep(0.02)
    else:
        pytest.fail(f"rank {rank} lives on")


def test_without_a_launcher_nobody_is_watched(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert end_with_launcher() is None
