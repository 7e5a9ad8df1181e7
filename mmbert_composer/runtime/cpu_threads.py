"""OpenMP threads that share a machine.

Fault: torch's OpenMP threads spin while they wait for each other, without an end as long as no more of them are awake
than the machine has cores, and every rank starts one per core. Where anything else runs on those cores a step waits
for a thread that is not scheduled: seen, a training step more than 20 times slower beside one busy process. Mend: spin
briefly, then sleep, and give each rank its part of the cores. Can go: when torch ships a pool that yields.

The count was chosen by the medians of a small model's steps, in ms (2,048 tokens, two threads on two cores, three
rounds idle, four beside one busy process; lowest to highest):

    GOMP_SPINCOUNT   none at all    1,000        5,000        20,000       100,000        torch's own (endless)
    idle             229 to 586     180 to 335   199 to 239   165 to 196   145 to 196     150 to 192
    beside one       282 to 330     294 to 379   327 to 467   495 to 636   1,248 to 2,050 409 to over 4,000
"""

import os

_SPINS = "5000"


def bound_spinning() -> None:
    """Call before torch is imported: OpenMP reads its environment once. What the user has set stays."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # GNU's runtime, in torch's wheels for Linux
        os.environ.setdefault("KMP_BLOCKTIME", "0")  # LLVM's and Intel's, elsewhere: no spinning
    # Importing torch's compiler starts a process of half a gigabyte beside every rank, unless one thread may compile.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")


def share_cores(ranks_on_this_machine: int) -> None:
    """Divide the cores among the ranks of this machine, unless OMP_NUM_THREADS is set."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ and ranks_on_this_machine > 1:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // ranks_on_this_machine))
