"""The tasks on a Ray cluster of two nodes, which are processes of this machine: slow."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mmbert_composer.data.prepare import run_job
from mmbert_composer.data.preparing.local_engine import local_engine
from mmbert_composer.data.preparing.ray_engine import ray_engine
from mmbert_composer.errors import UserError
from tests.conftest import tiny_documents
from tests.data.preparing.conftest import Request, content, many_documents, quiet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU each, not yet connected to."""
    pytest.importorskip("ray", reason="Ray (the extra ray) is not installed")
    from ray.cluster_utils import Cluster

    # Nodes are processes of this machine: what Ray measures of it would be wrong twice.
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80 << 20})
    nodes.add_node(num_cpus=1, object_store_memory=80 << 20)
    yield nodes
    nodes.shutdown()


@pytest.fixture
def ray(cluster: Any) -> Iterator[Any]:
    import ray

    yield ray
    ray.shutdown()


@pytest.fixture
def inputs(write_corpus: Callable[..., str]) -> list[str]:
    few = [write_corpus(f"few{number}", tiny_documents(number)) for number in range(4)]
    return [*few, write_corpus("many", many_documents(3_000))]


@pytest.mark.filterwarnings("ignore")
def test_two_nodes_make_what_one_process_makes(cluster: Any, ray: Any, inputs: list[str], request_of: Request) -> None:
    whole = run_job(request_of(*inputs, out="whole", range_bytes=20_000), local_engine(1), quiet)
    engine = ray_engine(cluster.address)
    assert len(ray.nodes()) == 2
    manifest = run_job(request_of(*inputs, task_bytes=9_000, range_bytes=20_000), engine, quiet)
    assert content(manifest.root) == content(whole.root)


@pytest.mark.filterwarnings("ignore")
def test_a_task_that_dies_is_tried_again_and_one_that_fails_is_named(
    cluster: Any, ray: Any, inputs: list[str], request_of: Request, tmp_path: Path
) -> None:
    engine = ray_engine(cluster.address)
    good = (tmp_path / "few0.jsonl").read_bytes()
    request = request_of(*inputs, task_bytes=9_000)
    (tmp_path / "few0.jsonl").write_bytes(b"{}")
    with pytest.raises(UserError, match=r"1 of \d+ tasks that read input failed: .*few0.jsonl changed after"):
        run_job(request, engine, quiet)
    (tmp_path / "few0.jsonl").write_bytes(good)
    killer = tmp_path / "killed"

    @ray.remote(num_cpus=0)
    def kill_a_worker() -> bool:
        """Kill another process that works on tasks, once."""
        import psutil

        mine = os.getpid()
        for process in psutil.process_iter(["cmdline", "pid"]):
            if "ray::_work" in " ".join(process.info["cmdline"] or ()) and process.info["pid"] != mine:
                process.kill()
                killer.touch()
                return True
        return False

    pending = [kill_a_worker.remote() for _ in range(3)]
    manifest = run_job(request_of(*inputs, task_bytes=9_000), engine, quiet)
    ray.get(pending)
    assert manifest.ledger["documents"] == 4 * 145 + 3_300


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_without_a_cluster_it_is_said(address: str) -> None:
    pytest.importorskip("ray", reason="Ray (the extra ray) is not installed")
    with pytest.raises(UserError, match=f"no Ray cluster at '{address}'"):
        ray_engine(address)
