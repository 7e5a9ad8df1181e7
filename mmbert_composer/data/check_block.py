"""Is a block what the block format says? Pure numpy."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.packing import MAX_SEQUENCES


def block_fault(
    input_ids: NDArray[np.uint32], cu_seqlens: NDArray[np.int32], special_ids: Mapping[str, int], vocab_size: int
) -> str | None:
    """What is wrong with a block: its bounds, the ids at its sequences' edges, its padding; None when nothing is.

    Args:
        input_ids: [block_size].
        cu_seqlens: [sequences + 1], from 0 to the number of real tokens.
        special_ids: ids under the keys pad, bos and eos.
        vocab_size: ids lie below it.
    """
    if len(cu_seqlens) < 2 or cu_seqlens[0] != 0 or (np.diff(cu_seqlens) < 1).any() or cu_seqlens[-1] > len(input_ids):
        shown = np.array2string(cu_seqlens, threshold=8, separator=", ")
        return f"its cu_seqlens must rise from 0 to at most {len(input_ids)}, they are {shown}"
    if len(cu_seqlens) - 1 > MAX_SEQUENCES:
        return f"it holds {len(cu_seqlens) - 1} sequences, at most {MAX_SEQUENCES} are allowed"
    if input_ids.max() >= vocab_size:
        return f"it holds the token {input_ids.max()}, the tokenizer has {vocab_size}"
    starts, ends = cu_seqlens[:-1], cu_seqlens[1:] - 1
    for places, key, where in ((starts, "bos", "begin"), (ends, "eos", "end")):
        wrong = np.flatnonzero(input_ids[places] != special_ids[key])
        if len(wrong):
            found = input_ids[places[wrong[0]]]
            return f"sequence {wrong[0]} must {where} with {key} ({special_ids[key]}), it {where}s with {found}"
    if (input_ids[cu_seqlens[-1] :] != special_ids["pad"]).any():
        return f"behind its {cu_seqlens[-1]} tokens it holds other ids than pad ({special_ids['pad']})"
    return None
