import multiprocessing
import os
import socket
import time
from datetime import timedelta
from multiprocessing.synchronize import Barrier

import pytest
import torch

from mmbert_composer.callbacks.run_on_rank_zero import run_on_rank_zero


def test_alone_it_just_works():
    done = []
    run_on_rank_zero(lambda: done.append(1), "work")
    assert done == [1]


def _rank(rank: int, port: int, both_are_up: Barrier, outcomes: multiprocessing.Queue) -> None:
    both_are_up.wait(60)  # importing takes longer than the timeout where the CPU is shared
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=2))
    done = []

    def long_work() -> None:
        time.sleep(4)
        done.append(time.monotonic())

    run_on_rank_zero(long_work, "work", poll_seconds=0.05)
    seen = time.monotonic()
    value = torch.tensor([float(rank)])
    torch.distributed.all_reduce(value)  # the group is alive, though the work outlasted its timeout
    run_on_rank_zero(lambda: done.append(0.0), "work", poll_seconds=0.05)
    error = ""
    try:
        run_on_rank_zero(lambda: 1 // 0, "division", poll_seconds=0.05)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    torch.distributed.barrier()
    outcomes.put((rank, len(done), value.item(), seen, done[0] if done else None, error))
    torch.distributed.destroy_process_group()


def test_the_others_wait_longer_than_the_dist_timeout():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    both_are_up, outcomes = context.Barrier(2), context.Queue()
    ranks = [context.Process(target=_rank, args=(rank, port, both_are_up, outcomes)) for rank in range(2)]
    for process in ranks:
        process.start()
    # Both import torch first, which takes a minute on a busy machine.
    results = sorted(outcomes.get(timeout=240) for _ in ranks)
    for process in ranks:
        process.join(30)
    assert [process.exitcode for process in ranks] == [0, 0]
    (_, calls, total, _, finished, error_zero), (_, calls_one, total_one, seen_one, _, error_one) = results
    assert (calls, calls_one) == (2, 0)
    assert total == total_one == 1.0
    assert seen_one >= finished - 0.01  # one machine: the clocks agree
    assert error_zero.startswith("ZeroDivisionError")
    assert error_one == "RuntimeError: division failed on rank 0: " + error_zero


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
def test_errors_pass_through_alone(error):
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        run_on_rank_zero(fail, "work")
