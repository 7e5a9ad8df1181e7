"""Going on with the training of a BPE: the next merges of words that are cut by the merges there are. Pure Python."""

import heapq
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Pair = tuple[int, int]
_CHARACTER = -1


@dataclass(frozen=True)
class NewToken:
    """A token to add: the merge of two others, or a character that had to be written in bytes (``merge`` None)."""

    token: str
    merge: tuple[str, str] | None
    saves: int
    """Tokens fewer in the text when it was chosen."""


class MergeGrowth:
    """Words as lists of symbols, and the count of every pair of neighbours in them, kept up to date.

    Args:
        words: symbols of each word to its count. A symbol of ``characters`` stands for a character without a token.
        tokens: the text of every symbol.
        characters: bytes of each such character.
        may_merge: whether a token of this text may be made.
        taken: texts that are tokens already and cannot be made again.
    """

    def __init__(
        self,
        words: Mapping[tuple[int, ...], int],
        tokens: Mapping[int, str],
        characters: Mapping[int, int],
        may_merge: Callable[[str], bool],
        taken: set[str],
    ) -> None:
        self._words = [list(word) for word in words]
        self._counts = list(words.values())
        self._tokens = dict(tokens)
        self._bytes = dict(characters)
        self._may_merge = may_merge
        self._taken = set(taken)
        self._next = 1 + max(self._tokens, default=0)
        self._allowed: dict[Pair, bool] = {}
        self._gain: dict[Pair, int] = {}
        self._where: dict[Pair, array[int]] = {}
        self._heap: list[tuple[int, Pair]] = []
        for number, word in enumerate(self._words):
            for pair, saves in self._pairs(word).items():
                self._gain[pair] = self._gain.get(pair, 0) + saves * self._counts[number]
                self._where.setdefault(pair, array("L")).append(number)
        self._heap = [(-gain, pair) for pair, gain in self._gain.items()]
        heapq.heapify(self._heap)

    def next_token(self, min_saves: int = 2) -> NewToken | None:
        """Add the token that saves the most tokens, made of the lowest symbols where several do; None if none is left.

        A pair saves one token at each of its places, a character of n bytes n - 1. Tokens that would save less than
        ``min_saves`` are not made.
        """
        while self._heap:
            gain, pair = heapq.heappop(self._heap)
            now = self._gain.get(pair, 0)
            if now != -gain:  # counted again since: back into the queue with what it is worth now
                if now >= min_saves:
                    heapq.heappush(self._heap, (-now, pair))
                continue
            if now < min_saves:
                return None
            token = self._text(pair)
            if token in self._taken:  # another pair has made it meanwhile
                self._forget(pair)
                continue
            merge = None if pair[1] == _CHARACTER else (self._tokens[pair[0]], self._tokens[pair[1]])
            self._apply(pair, token)
            return NewToken(token, merge, now)
        return None

    def _text(self, pair: Pair) -> str:
        return self._tokens[pair[0]] + ("" if pair[1] == _CHARACTER else self._tokens[pair[1]])

    def _apply(self, pair: Pair, token: str) -> None:
        new, self._next = self._next, self._next + 1
        self._tokens[new] = token
        self._taken.add(token)
        more: set[Pair] = set()
        for number in sorted(set(self._where[pair])):
            word = self._words[number]
            merged = _merged(word, pair, new)
            if len(merged) == len(word) and pair[1] != _CHARACTER:
                continue  # gone since: another merge took one of its symbols
            self._words[number] = merged
            self._recount(number, self._pairs(word), self._pairs(merged), more)
        for changed in more:  # what has become less is seen when it comes up
            heapq.heappush(self._heap, (-self._gain[changed], changed))
        self._forget(pair)

    def _pairs(self, word: list[int]) -> dict[Pair, int]:
        """What each pair and each unknown character of a word would save in it."""
        found: dict[Pair, int] = {}
        last = None
        for symbol in word:
            if symbol in self._bytes:
                key = (symbol, _CHARACTER)
                found[key] = found.get(key, 0) + self._bytes[symbol] - 1
                last = None
                continue
            if last is not None and self._is_allowed((last, symbol)):
                found[last, symbol] = found.get((last, symbol), 0) + 1
            last = symbol
        return found

    def _is_allowed(self, pair: Pair) -> bool:
        allowed = self._allowed.get(pair)
        if allowed is None:
            token = self._text(pair)
            allowed = self._allowed[pair] = token not in self._taken and self._may_merge(token)
        return allowed

    def _recount(self, number: int, before: Mapping[Pair, int], after: Mapping[Pair, int], more: set[Pair]) -> None:
        """Bring the gains up to date where a word's pairs were ``before`` and are ``after``; into ``more`` those up."""
        count = self._counts[number]
        for pair, saves in after.items():
            if pair not in before:
                self._where.setdefault(pair, array("L")).append(number)
            change = saves - before.get(pair, 0)
            if change:
                self._gain[pair] = self._gain.get(pair, 0) + change * count
                if change > 0:
                    more.add(pair)
        for pair, saves in before.items():
            if pair not in after:
                self._gain[pair] -= saves * count

    def _forget(self, pair: Pair) -> None:
        self._gain.pop(pair, None)
        self._where.pop(pair, None)
        self._allowed[pair] = False


def _merged(word: list[int], pair: Pair, new: int) -> list[int]:
    """``word`` with every occurrence of ``pair`` from the left as ``new``."""
    left, right = pair
    if right == _CHARACTER:
        return [new if symbol == left else symbol for symbol in word]
    merged: list[int] = []
    position, last = 0, len(word) - 1
    while position <= last:
        if word[position] == left and position < last and word[position + 1] == right:
            merged.append(new)
            position += 2
        else:
            merged.append(word[position])
            position += 1
    return merged
