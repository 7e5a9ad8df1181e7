"""``--engine ray``: the same tasks as remote tasks of a Ray cluster whose nodes share the file system of DATA."""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmbert_composer.data.preparing.disk_space import DiskFullError
from mmbert_composer.data.preparing.route_task import OnProgress
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.errors import UserError

RETRIES = 3
"""Of a task whose process or node died."""


def ray_engine(address: str) -> Callable[[TaskRunner, Sequence[str], OnProgress], dict[str, str]]:
    """An engine on the cluster at ``address``: "auto" for the one this machine belongs to, "ray://host:10001", ...

    Each task takes one CPU of the cluster. Raises UserError when Ray is not installed or the cluster is not there.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]
        from ray.exceptions import RayError  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError("--engine ray needs Ray: pip install 'mmbert-composer[ray]'") from None
    if not ray.is_initialized():
        _check_reachable(address)
        try:
            ray.init(address=address, runtime_env=_environment(), log_to_driver=False)
        except ConnectionError as error:
            raise _no_cluster(address, error) from None

    def run(runner: TaskRunner, names: Sequence[str], on_progress: OnProgress) -> dict[str, str]:
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_work)
        root = str(runner.folder.root.resolve())
        running = {remote.remote(root, name): name for name in names}
        failed: dict[str, str] = {}
        while running:
            ready, _ = ray.wait(list(running))
            for reference in ready:
                name = running.pop(reference)
                try:
                    answer: dict[str, Any] = ray.get(reference)
                except RayError as error:
                    failed[name] = f"{type(error).__name__}: {error}"
                    runner.record_failure(name, failed[name])
                    continue
                on_progress(runner.bytes(name), answer["tokens"])
                if answer["full"]:
                    for other in running:
                        ray.cancel(other)
                    raise DiskFullError(answer["error"])
                if answer["error"]:
                    failed[name] = answer["error"]
        return failed

    return run


def _check_reachable(address: str) -> None:
    """Raise UserError where nothing listens at ``address``: Ray would go on trying for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    try:
        if place.hostname and place.port:
            socket.create_connection((place.hostname, place.port), timeout=10).close()
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> UserError:
    return UserError(f"no Ray cluster at {address!r} ({error}): start one with `ray start --head`")


def _environment() -> dict[str, Any]:
    """The package may be on this process's path alone; one process a core."""
    path = os.pathsep.join(path for path in sys.path if path)
    return {"env_vars": {"PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}}


def _work(root: str, name: str) -> dict[str, Any]:
    """Runs on a node."""
    tokens = 0

    def count(_: int, num_tokens: int) -> None:
        nonlocal tokens
        tokens += num_tokens

    try:
        _runner(root).run(name, count)
    except UserError as error:
        return {"tokens": tokens, "error": str(error), "full": isinstance(error, DiskFullError)}
    return {"tokens": tokens, "error": None, "full": False}


_runners: dict[tuple[str, int], TaskRunner] = {}


def _runner(root: str) -> TaskRunner:
    # A node's process works on many tasks: the tokenizer is loaded once a plan.
    folder = WorkFolder(Path(root))
    key = root, folder.plan.stat().st_mtime_ns
    if key not in _runners:
        _runners[key] = TaskRunner(folder)
    return _runners[key]
