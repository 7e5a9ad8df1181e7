"""Memory that a step has freed stays with the process, for the next step.

Fault: glibc gives every large tensor back to the system when it is freed, and a training step on a CPU frees and asks
again for all its activations, logits and gradients: the system then clears each page of them anew. Seen: 2.9 of 11.5
seconds of CPU time a step (hidden 384 x 6 layers, vocabulary 256,000, 4,096 tokens, on a virtual machine), and 0.05
with the mend, at the same peak of memory; and 264 page faults for the masks of each micro-batch of 6 x 8,192 tokens, 40
% of their time, which :func:`give_back_freed_memory` ends too, for runs on a GPU. Mend: the heap alone serves, and is
never trimmed. Can go: when torch keeps freed memory on CPUs as it does on GPUs.
"""

import ctypes

# malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4


def keep_freed_memory() -> None:
    """From now on this process gives no memory back before it ends. Without glibc nothing changes."""
    _set({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1})


def give_back_freed_memory() -> None:
    """As glibc does by itself once a program has freed large blocks: those of 32 MiB and more go back at once."""
    _set({_M_MMAP_MAX: 65_536, _M_MMAP_THRESHOLD: 32 << 20, _M_TRIM_THRESHOLD: 64 << 20})


def _set(options: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in options.items():
        accepted = mallopt(option, value)
        assert accepted, f"mallopt({option}, {value})"
