"""Two nodes of one rank each, as docs/cluster.md starts them, against one process: the same samples and losses."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from mmbert_composer.config import load_yaml
from mmbert_composer.train import main
from tests.conftest import ROOT
from tests.documents import Document
from tests.soak.process_group import ENVIRONMENT, ProcessGroup, composer_command, free_port
from tests.test_two_ranks import assert_same_run

pytestmark = pytest.mark.slow

DOCUMENT = Document(ROOT / "docs" / "cluster.md")

SECONDS = 300
"""The longest that a run may take."""


def arguments(command, changes):
    """The words of a documented command, those named in ``changes`` (in whole or after a ``=``) replaced."""
    words = []
    for word in shlex.split(command):
        key, equals, value = word.rpartition("=")
        words.append(key + equals + str(changes.get(value, value)))
    return words


def node(number, address, port, yaml, folder, tmp_path, *, prefix=(), overrides=(), **environment):
    """What docs/cluster.md starts on node ``number``, with one rank a node."""
    changes = {"8": 1, "16": 2, "node1": address, "7501": port, "/shared/runs/mine": folder}
    changes |= {"train.py": ROOT / "train.py", "yamls/real-text.yaml": yaml, "/shared/data": data_of(yaml)}
    _, *rest = arguments(DOCUMENT.commands("two nodes")[number], changes)
    composer = composer_command(1, ROOT / "train.py")[0]
    return ProcessGroup(
        [*prefix, composer, *rest, *overrides], tmp_path / f"node-{number}.log", ENVIRONMENT | environment
    )


def data_of(yaml):
    return load_yaml(yaml, ())["data"]["root"]


def finish(nodes):
    try:
        for group in nodes:
            assert group.wait(SECONDS) == 0, group.log.read_text()
    finally:
        for group in nodes:
            group.kill_all()


@pytest.fixture
def alone(settings, yaml_of, tmp_path):
    """A YAML, and the folder of its run in this process."""
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    yaml = yaml_of(settings)
    assert main([str(yaml), f"save_folder={tmp_path / 'alone'}"]) == 0
    return yaml, tmp_path / "alone"


def test_two_launchers_on_one_machine(alone, tmp_path):
    yaml, folder = alone
    port = free_port()
    finish([node(number, "127.0.0.1", port, yaml, tmp_path / "two", tmp_path) for number in range(2)])
    assert_same_run(folder, tmp_path / "two", ranks=2)
    assert (tmp_path / "two" / "merged" / "merge.json").exists()


@pytest.fixture
def hosts():
    """Names of two network namespaces, joined by a cable alone: 10.213.7.1 and 10.213.7.2."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    own = f"mm{os.getpid()}"
    names = [f"{own}a", f"{own}b"]

    def ip(*arguments, check=True):
        return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)

    if ip("netns", "add", names[0], check=False).returncode:
        pytest.skip("network namespaces cannot be made here")
    with ExitStack() as stack:
        stack.callback(ip, "netns", "del", names[0])
        ip("netns", "add", names[1])
        stack.callback(ip, "netns", "del", names[1])
        ip("link", "add", names[0], "type", "veth", "peer", "name", names[1])
        for number, name in enumerate(names, start=1):
            ip("link", "set", name, "netns", name)
            ip("-n", name, "addr", "add", f"10.213.7.{number}/24", "dev", name)
            ip("-n", name, "link", "set", name, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names


def test_two_hosts_in_network_namespaces(alone, hosts, tmp_path):
    """Each with a cache of its own, as on its own disk."""
    yaml, folder = alone

    def host(number, name):
        cache = tmp_path / f"cache-{number}"
        return node(
            number,
            "10.213.7.1",
            7501,
            yaml,
            tmp_path / "two",
            tmp_path,
            prefix=["ip", "netns", "exec", name],
            overrides=[f"data.root=file://{data_of(yaml)}", f"data.cache={cache}"],
            GLOO_SOCKET_IFNAME=name,
        )

    finish([host(number, name) for number, name in enumerate(hosts)])
    assert_same_run(folder, tmp_path / "two", ranks=2)
    assert all(list((tmp_path / f"cache-{number}").rglob("shard.*")) for number in range(2))


SRUN = """#!{python}
# srun as launch/slurm.sbatch uses it, for nodes of one task each: all of them on this machine.
import os, signal, subprocess, sys
options = [a for a in sys.argv[1:] if a.startswith("--")]
command = sys.argv[1 + len(options):]
names = ["SLURM_PROCID", "SLURM_NODEID"]
numbers = [str(n) for n in range(int(os.environ["SLURM_NTASKS"]))]
environments = [os.environ | dict.fromkeys(names, n) | {{"SLURM_LOCALID": "0"}} for n in numbers]
tasks = [subprocess.Popen(command, env=environment) for environment in environments]
signal.signal(signal.SIGUSR1, lambda *_: [task.send_signal(signal.SIGUSR1) for task in tasks])
sys.exit(max(task.wait() for task in tasks))
"""

SCONTROL = """#!/bin/sh
case $1 in
  show) printf '127.0.0.1\\nother\\n' ;;
  requeue) echo "$2" >> {requeued} ;;
esac
"""


@pytest.fixture
def slurm(tmp_path):
    """The environment of a job on two nodes, with stand-ins for srun and scontrol; and the file of requeued jobs."""
    programs, requeued = tmp_path / "programs", tmp_path / "requeued"
    programs.mkdir()
    for name, text in {
        "srun": SRUN.format(python=sys.executable),
        "scontrol": SCONTROL.format(requeued=requeued),
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    job = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "SLURM_JOB_ID": str(free_port() - 20_000),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "1",
    }
    return job, requeued


def test_the_body_of_the_slurm_script(alone, slurm, settings, tiny_data, tmp_path):
    """Warned, it saves and is requeued; the next job ends the run; one that gets nowhere is not tried again."""
    yaml, folder = alone
    job, requeued = slurm
    changes = {"sbatch": "bash", "launch/slurm.sbatch": ROOT / "launch" / "slurm.sbatch", "yamls/real-text.yaml": yaml}
    changes |= {"/shared/data": tiny_data, "/shared/runs/mine": tmp_path / "two"}
    command = arguments(DOCUMENT.commands("slurm")[0], changes)
    first = ProcessGroup(command, tmp_path / "slurm-1.log", ENVIRONMENT | job)
    try:
        metrics = tmp_path / "two" / "metrics.jsonl"
        deadline = time.monotonic() + SECONDS
        while not (metrics.exists() and '"batch": 5,' in metrics.read_text()):
            assert first.is_running(), first.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        srun = [process for process in first.members() if "srun" in " ".join(process.cmdline()[:2])]
        srun[0].send_signal(signal.SIGUSR1)
        assert first.wait() == 0, first.log.read_text()
    finally:
        first.kill_all()
    assert "stopped with a checkpoint (exit code 75): requeued" in first.log.read_text()
    assert requeued.read_text().split() == [job["SLURM_JOB_ID"]]
    finish([ProcessGroup(command, tmp_path / "slurm-2.log", ENVIRONMENT | job)])
    assert requeued.read_text().split() == [job["SLURM_JOB_ID"]]
    assert_same_run(folder, tmp_path / "two", ranks=2)
    # a job that fails before any checkpoint is not tried again
    failing = ProcessGroup([*command, "data.seed=99"], tmp_path / "slurm-3.log", ENVIRONMENT | job)
    assert failing.wait(SECONDS) == 1
    assert "no new checkpoint: not tried again" in failing.log.read_text()
    assert len(requeued.read_text().split()) == 1
