"""A bounded sample of a stream of texts that depends on the texts alone, not on their order."""

from collections.abc import Iterable

from xxhash import xxh64_intdigest


def sample_texts(texts: Iterable[str], max_characters: int) -> list[str]:
    """All texts, or those of lowest hash that have at most ``max_characters`` together; sorted by hash.

    Memory stays below twice ``max_characters``: beyond that the larger hashes are let go.
    """
    kept: list[tuple[int, str]] = []
    size, highest = 0, 1 << 64
    for text in texts:
        key = xxh64_intdigest(text)
        if text and key < highest:
            kept.append((key, text))
            size += len(text)
            if size > 2 * max_characters:
                kept, size, highest = _lowest(kept, max_characters)
    return [text for _, text in _lowest(kept, max_characters)[0]]


def _lowest(kept: list[tuple[int, str]], max_characters: int) -> tuple[list[tuple[int, str]], int, int]:
    kept.sort()
    size = 0
    for index, (key, text) in enumerate(kept):
        if size + len(text) > max_characters:
            # Equal texts have equal hashes: all of them go, or a later one would come back in.
            keep = next((i for i in range(index, 0, -1) if kept[i - 1][0] < key), 0)
            return kept[:keep], sum(len(t) for _, t in kept[:keep]), key
        size += len(text)
    return kept, size, 1 << 64
