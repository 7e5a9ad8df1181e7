import numpy as np
import pytest

from mmbert_composer.data.check_block import block_fault

SPECIAL = {"pad": 0, "eos": 1, "bos": 2}
BLOCK = [2, 9, 9, 1, 2, 8, 1, 0, 0, 0]


def fault(ids=BLOCK, ends=(0, 4, 7)):
    return block_fault(np.array(ids, np.uint32), np.array(ends, np.int32), SPECIAL, vocab_size=10)


def test_a_good_one():
    assert fault() is None
    assert fault([2, *[9] * 8, 1], [0, 10]) is None


@pytest.mark.parametrize("ends", [[0], [1, 7], [0, 4, 4], [0, 7, 4], [0, 4, 11]])
def test_bounds(ends):
    assert "its cu_seqlens must rise from 0 to at most 10, they are" in (fault(ends=ends) or "")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (1, 10, "it holds the token 10, the tokenizer has 10"),
        (4, 9, "sequence 1 must begin with bos (2), it begins with 9"),
        (3, 9, "sequence 0 must end with eos (1), it ends with 9"),
        (8, 9, "behind its 7 tokens it holds other ids than pad (0)"),
    ],
)
def test_ids(place, value, message):
    ids = BLOCK.copy()
    ids[place] = value
    assert fault(ids) == message


def test_too_many_sequences():
    ids = np.tile([2, 1], 513)
    assert fault(ids, np.arange(0, 1027, 2)) == "it holds 513 sequences, at most 512 are allowed"
