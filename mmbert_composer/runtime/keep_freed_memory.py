"""Memory that is freed stays with the process.

Fault: glibc gives freed memory back to the system and takes it again a 4 KiB page at a time: for arrays above 128 KiB,
and whenever 128 KiB at the top of its heap are free. Seen: 264 page faults for the masks of one micro-batch of 6 x
8,192 tokens, which on a virtual machine (2 us a fault) is 40 % of their time. Mend: up to 256 MB of free memory are
kept, for arrays of up to 32 MB. Whoever sets MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ keeps it. Can go: when
numpy keeps large arrays' memory by itself.
"""

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_... of malloc.h


def keep_freed_memory() -> None:
    """For this process and those that it forks; a C library without the setting is left as it is."""
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_TRIM_THRESHOLD, 256 << 20)
    mallopt(_MMAP_THRESHOLD, 32 << 20)
