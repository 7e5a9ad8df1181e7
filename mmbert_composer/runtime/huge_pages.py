"""Large tensors in huge pages of the system's memory.

Fault: torch's CPU allocator gives every large tensor back to the system, and the next step gets it again a 4 KiB page
at a time: the gradient of a 256,000-token vocabulary alone is 96,000 page faults a step. Seen: 5 to 10 % of the CPU
time of head and loss. Mend: torch asks for huge pages where the system leaves that to programs ("madvise"). Whoever
sets THP_MEM_ALLOC_ENABLE keeps it. Can go: when torch asks by itself.
"""

import os


def use_huge_pages() -> None:
    """Call before torch is imported: its allocator reads its environment once."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
