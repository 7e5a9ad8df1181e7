from pathlib import Path

from mmbert_composer.data.spill import SpilledStream, SpillWriter
from xxhash import xxh64_intdigest

TEXTS = ["one", "two", "zwei", "", "drei ä", "two"]


def spill(folder: Path, texts: list[str]) -> SpilledStream:
    writer = SpillWriter(folder)
    for index, text in enumerate(texts):
        writer.add("news/deu", text)
        writer.add("news/und", f"{index}")
        if index % 2:
            writer.flush()
    writer.flush()
    return SpilledStream(folder, "news/deu")


def test_documents_come_back_in_the_order_of_their_hashes(tmp_path: Path) -> None:
    stream = spill(tmp_path / "a", TEXTS)
    assert stream.texts(0, len(stream)) == sorted(TEXTS, key=xxh64_intdigest)
    assert stream.hashes.tolist() == sorted(map(xxh64_intdigest, TEXTS))
    again = spill(tmp_path / "b", TEXTS[::-1])
    assert again.texts(2, 5) == stream.texts(2, 5)


def test_batches_are_bounded_and_complete(tmp_path: Path) -> None:
    stream = spill(tmp_path, [f"{'x' * (index * 7 % 40)}{index}" for index in range(100)])
    for start, stop, documents, size in [(0, 100, 7, 10_000), (3, 99, 100, 60), (5, 5, 3, 9), (0, 100, 3, 1)]:
        ranges = stream.batches(start, stop, documents, size)
        assert [position for first, last in ranges for position in range(first, last)] == list(range(start, stop))
        for first, last in ranges:
            assert 0 < last - first <= documents
            assert last - first == 1 or stream.sizes[first:last].sum() <= size
