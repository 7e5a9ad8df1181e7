from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from mmbert_composer.data.inputs.document import TokenBatch
from mmbert_composer.data.inputs.token_sequences import TokenSequences
from mmbert_composer.data.preparing.token_spill import (
    HASHES,
    SortedTokens,
    TokenSpill,
    TokenSpillWriter,
    merge_tokens,
    sort_tokens,
)

STREAMS = ("news/deu", "news/eng", "web/und")


def batches(count: int, seed: int) -> list[TokenBatch]:
    """Batches of three streams, of 0 to 40 sequences; some sequences occur several times."""
    rng = np.random.default_rng(seed)
    made: list[TokenBatch] = []
    for _ in range(count):
        lengths = rng.integers(1, 30, rng.integers(1, 40))
        sequences = TokenSequences(rng.integers(0, 3, lengths.sum()).astype(np.uint32), np.cumsum(lengths))
        source, language = STREAMS[rng.integers(3)].split("/")
        made.append(TokenBatch(sequences, language, source))
    return made


def expected(made: list[TokenBatch], stream: str) -> list[tuple[int, bytes]]:
    content = [array.tobytes() for batch in made if batch.stream == stream for array in batch.sequences.arrays()]
    return sorted((xxh64_intdigest(data), data) for data in content)


def spill(folder: Path, made: list[TokenBatch], buffer_bytes: int = 1 << 20) -> TokenSpill:
    writer = TokenSpillWriter(folder, buffer_bytes)
    for batch in made:
        assert writer.add(batch) == batch.sequences.tokens.nbytes
    writer.finish()
    return TokenSpill(folder)


def items(found: list[SortedTokens]) -> list[tuple[int, bytes]]:
    return [item for batch in found for item in batch.items()]


@pytest.mark.parametrize("buffer_bytes", [1 << 20, 700])
def test_sequences_come_back_in_the_order_of_their_hashes(tmp_path: Path, buffer_bytes: int) -> None:
    made = batches(30, seed=0)
    found = spill(tmp_path, made, buffer_bytes)
    assert sorted(found.streams) == sorted(STREAMS)
    for stream in STREAMS:
        of_stream = expected(made, stream)
        assert items(list(merge_tokens([found], stream))) == of_stream
        assert found.hashes(stream, 0, HASHES).tolist() == [digest for digest, _ in of_stream]
        assert 4 * found.num_tokens(stream, 0, HASHES) == sum(len(data) for _, data in of_stream)
    assert not list(tmp_path.glob("token-run-*"))


def test_several_spills_are_merged_and_their_batches_do_not_depend_on_how_many(tmp_path: Path) -> None:
    made = batches(40, seed=1)
    spills = [spill(tmp_path / str(number), made[number::3], 900) for number in range(3)]
    whole = spill(tmp_path / "whole", made)
    edges = [0, 1 << 20, 1 << 60, (1 << 63) + 12345, HASHES]
    for stream in STREAMS:
        several = list(merge_tokens(spills, stream, read_bytes=500))
        one = list(merge_tokens([whole], stream, read_bytes=500))
        assert len(several) > 5
        assert [items([batch]) for batch in several] == [items([batch]) for batch in one]
        pieces = [items(list(merge_tokens(spills, stream, low, high))) for low, high in pairwise(edges)]
        assert [item for piece in pieces for item in piece] == expected(made, stream)
        assert all(low <= digest < high for (low, high), piece in zip(pairwise(edges), pieces, strict=True)
                   for digest, _ in piece)  # fmt: skip
    assert list(merge_tokens(spills, "news/fra")) == []


def test_equal_hashes_are_ordered_by_content() -> None:
    def sequences(*rows: list[int]) -> TokenSequences:
        tokens: NDArray[np.uint32] = np.array([token for row in rows for token in row], np.uint32)
        return TokenSequences(tokens, np.cumsum([len(row) for row in rows]))

    hashes = [np.array([7, 3, 7], np.uint64), np.array([7, 9], np.uint64)]
    found = sort_tokens(hashes, [sequences([5], [1, 1], [4]), sequences([4], [2])])
    assert found.hashes.tolist() == [3, 7, 7, 7, 9]
    assert [array.tolist() for array in found.arrays] == [[1, 1], [4], [4], [5], [2]]


def test_without_a_document_there_is_a_spill_of_nothing(tmp_path: Path) -> None:
    assert spill(tmp_path, []).streams == {}
    assert list(merge_tokens([TokenSpill(tmp_path)], "news/deu")) == []
