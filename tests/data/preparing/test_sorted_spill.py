import random
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from xxhash import xxh64_intdigest

from mmbert_composer.data.inputs.document import Document, TokenBatch
from mmbert_composer.data.inputs.token_sequences import TokenSequences
from mmbert_composer.data.preparing import sorted_spill
from mmbert_composer.data.preparing.sorted_spill import HASHES, SortedSpill, merge_hashes, merge_spills
from mmbert_composer.data.preparing.spill_writer import SpillWriter

STREAMS = ("news/deu", "news/eng", "web/und")


def texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(stream, text) with lengths from 0 to some thousands, some texts twice."""
    source = random.Random(seed)
    made = [
        (source.choice(STREAMS), source.choice("äbcd") * min(2_000, int(source.paretovariate(0.7) * 10 - 10)))
        for _ in range(count)
    ]
    return [*made, *made[::9]]


def spill(folder: Path, made: list[tuple[str, str]], buffer_bytes: int = 1 << 20) -> SortedSpill:
    writer = SpillWriter(folder, buffer_bytes)
    for stream, text in made:
        source, language = stream.split("/")
        assert writer.add(Document(text, language, source)) == len(text.encode())
    writer.finish()
    return SortedSpill(folder)


def by_stream(made: list[tuple[str, str]]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for stream, text in made:
        found[stream].append(text)
    return {stream: sorted(found[stream], key=lambda text: (xxh64_intdigest(text), text)) for stream in found}


def read(spills: list[SortedSpill], stream: str, low: int = 0, high: int = HASHES) -> list[str]:
    return [document.data.decode() for document in merge_spills(spills, stream, low, high)]


@pytest.mark.parametrize("buffer_bytes", [1 << 20, 500])
@pytest.mark.parametrize("chunk_bytes", [1 << 16, 64])
def test_documents_come_back_in_the_order_of_their_hashes(
    tmp_path: Path, buffer_bytes: int, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorted_spill, "CHUNK_BYTES", chunk_bytes)
    made = texts(300)
    found = spill(tmp_path, made, buffer_bytes)
    expected = by_stream(made)
    assert list(found.streams) == sorted(expected)
    for stream, of_stream in expected.items():
        assert read([found], stream) == of_stream
        assert merge_hashes([found], stream).tolist() == [xxh64_intdigest(text) for text in of_stream]
        small_reads = found.documents(stream, 0, HASHES, read_bytes=1)
        assert [document.data.decode() for document in small_reads] == of_stream
    assert not list(tmp_path.glob("run-*"))


def test_several_spills_are_merged_and_cut_by_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_spill, "CHUNK_BYTES", 200)
    made = texts(400, seed=1)
    spills = [spill(tmp_path / str(number), made[number::3], 700) for number in range(3)]
    edges = [0, 1 << 20, 1 << 60, (1 << 63) + 12345, HASHES - 1, HASHES]
    for stream, of_stream in by_stream(made).items():
        pieces = [read(spills, stream, low, high) for low, high in pairwise(edges)]
        assert [text for piece in pieces for text in piece] == of_stream
        for (low, high), piece in zip(pairwise(edges), pieces, strict=True):
            assert all(low <= xxh64_intdigest(text) < high for text in piece)
    assert read(spills, "news/fra") == []
    assert len(merge_hashes(spills, "news/fra")) == 0


def test_tokens_keep_their_kind_beside_texts(tmp_path: Path) -> None:
    writer = SpillWriter(tmp_path)
    tokens = np.array([2, 500_000, 1], np.uint32)
    writer.add(Document("text", "eng", "mds"))
    assert writer.add_tokens(TokenBatch(TokenSequences(tokens, np.array([3])), "eng", "mds")) == 12
    writer.finish()
    found = {document.is_tokens: document.data for document in merge_spills([SortedSpill(tmp_path)], "mds/eng")}
    assert found == {False: b"text", True: tokens.tobytes()}
    both = sorted([xxh64_intdigest(b"text"), xxh64_intdigest(tokens.tobytes())])
    assert merge_hashes([SortedSpill(tmp_path)], "mds/eng").tolist() == both


def test_without_a_document_there_is_a_spill_of_nothing(tmp_path: Path) -> None:
    assert spill(tmp_path, []).streams == {}
