"""What a process frees stays with it, until it is told otherwise."""

import resource
import subprocess
import sys

import pytest

from mmbert_composer.runtime.kept_memory import give_back_freed_memory

BYTES = 256 << 20


def faults_of_a_second_use() -> int:
    """Page faults of filling as much memory as was freed just before."""
    import numpy as np

    np.ones(BYTES, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(BYTES, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has mallopt")
def test_freed_memory_is_used_again():
    """In a process of its own: the setting is for all of a process."""
    code = (
        "from tests.runtime.test_kept_memory import *; from mmbert_composer.runtime.kept_memory import *\n"
        "fresh = faults_of_a_second_use(); keep_freed_memory(); kept = faults_of_a_second_use()\n"
        "give_back_freed_memory(); again = faults_of_a_second_use(); print(fresh, kept, again)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    fresh, kept, again = map(int, done.stdout.split())
    assert kept < 16
    assert min(fresh, again) > 64  # 128 huge pages or 65,536 small ones


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    give_back_freed_memory()
