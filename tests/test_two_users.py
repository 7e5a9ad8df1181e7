"""Two users of one machine: what a killed run of the first left is in nobody's way, and both may start at once."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mmbert_composer.config import load_yaml, parse_run_config
from tests.conftest import ROOT
from tests.soak.compare import compare
from tests.soak.leftovers import SHARED_MEMORY, left_behind
from tests.soak.process_group import ENVIRONMENT, ProcessGroup, composer_command
from tests.soak.watch import Watch

pytestmark = pytest.mark.slow

OTHER = 54321
"""A user that nobody has."""


def become(user):
    return ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"]


@pytest.fixture
def place():
    """A folder that every user may look into, with a common temporary folder as /tmp is."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("running as another user needs root and setpriv")
    if subprocess.run([*become(OTHER), sys.executable, "-c", "import torch"], cwd="/", capture_output=True).returncode:
        pytest.skip(f"another user cannot run {sys.executable}; is it in a home folder?")
    folder = Path(tempfile.mkdtemp(prefix="mmbert-users-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    yield folder
    shutil.rmtree(folder)
    shutil.rmtree(SHARED_MEMORY / f"mmbert_composer-{OTHER}", ignore_errors=True)


@pytest.fixture
def start(place, settings, yaml_of, tiny_data):
    """Starts a user's run in that user's folder; TMPDIR is common."""
    shutil.copytree(tiny_data, place / "data")
    settings["data"]["root"] = str(place / "data")
    yaml = shutil.copy(yaml_of(settings), place / "run.yaml")
    Path(yaml).chmod(0o644)
    groups = []

    def start(name, user):
        home = place / name
        home.mkdir(exist_ok=True)
        os.chown(home, user, user)
        command = composer_command(1, ROOT / "train.py", str(yaml), f"save_folder={home / 'run'}")
        own = {"TMPDIR": str(place / "tmp"), "HOME": str(home), "USER": name, "TORCHINDUCTOR_CACHE_DIR": str(home)}
        groups.append(ProcessGroup([*become(user), *command], place / f"{name}.log", ENVIRONMENT | own))
        return groups[-1]

    yield start
    for group in groups:
        group.kill_all()


def test_beside_each_other_and_after_a_kill(start, place, settings):
    curriculum = parse_run_config(load_yaml(place / "run.yaml", ())).curriculum
    first = start("root", 0)
    assert Watch(first, place / "root" / "run", curriculum, random.Random(0)).until_step(3), first.log.read_text()
    first.kill_all()
    first.wait()
    assert left_behind(place / "data")
    both = [start("root", 0), start("other", OTHER)]
    for group in both:
        assert group.wait(300) == 0, group.log.read_text()
    assert (place / "other" / "run" / "report.html").stat().st_uid == OTHER
    assert compare("other user", place / "root" / "run", place / "other" / "run", allowed=0.0).is_good
    assert not left_behind(place / "data")
