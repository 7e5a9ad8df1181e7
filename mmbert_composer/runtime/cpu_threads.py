"""OpenMP threads that share a machine.

Fault: torch's OpenMP threads spin while they wait for each other, and every rank starts one per core. Where
anything else runs on those cores a step waits for a thread that is not scheduled: seen, a training step 20 times
slower beside one busy process, and 10 % slower on an idle machine with the mend. Mend: wait without spinning, and
give each rank its part of the cores. Whoever sets OMP_WAIT_POLICY or OMP_NUM_THREADS keeps it. Can go: when torch
ships a pool that yields.
"""

import os


def wait_without_spinning() -> None:
    """Call before torch is imported: OpenMP reads its environment once."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Importing torch's compiler starts a process of half a gigabyte beside every rank, unless one thread may compile.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")


def share_cores(ranks_on_this_machine: int) -> None:
    """Divide the cores among the ranks of this machine."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ and ranks_on_this_machine > 1:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // ranks_on_this_machine))
