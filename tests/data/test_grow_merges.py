from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.grow_merges import MergeGrowth, NewToken

LETTERS = dict(enumerate("abcd"))


def grown(words, tokens=LETTERS, characters=None, may_merge=lambda token: True, taken=(), count=99):
    known = {token for symbol, token in tokens.items() if symbol not in (characters or {})}
    growth = MergeGrowth(words, tokens, characters or {}, may_merge, {*known, *taken})
    found = []
    while len(found) < count and (token := growth.next_token()) is not None:
        found.append(token)
    return found


def test_by_hand():
    """abc x 5, ab x 2, bca x 3: bc stands 8 times, ab 7 times; then a + bc 5 times, bc + a 3 times, ab still 2."""
    assert grown({(0, 1, 2): 5, (0, 1): 2, (1, 2, 0): 3}) == [
        NewToken("bc", ("b", "c"), 8),
        NewToken("abc", ("a", "bc"), 5),
        NewToken("bca", ("bc", "a"), 3),
        NewToken("ab", ("a", "b"), 2),
    ]


def test_equals_go_by_the_lowest_symbols():
    words = {(2, 3): 4, (0, 1): 4, (1, 2): 4}
    assert [token.token for token in grown(words)] == ["ab", "bc", "cd"]
    assert grown(dict(reversed(words.items()))) == grown(words)


def test_repeated_symbols_merge_from_the_left():
    """aaaa counts three neighbours and gives two tokens; aaa leaves one behind."""
    assert grown({(0, 0, 0, 0): 3, (0, 0, 0): 1}) == [
        NewToken("aa", ("a", "a"), 3 * 3 + 2),
        NewToken("aaaa", ("aa", "aa"), 3),
    ]


def test_a_character_saves_its_bytes():
    """One of three bytes, five times: ten tokens. Only then can it be merged with its neighbours."""
    found = grown({(9, 0): 4, (9,): 1, (0, 1): 9}, tokens={**LETTERS, 9: "ሰ"}, characters={9: 3})
    assert found == [
        NewToken("ሰ", None, 10),
        NewToken("ab", ("a", "b"), 9),
        NewToken("ሰa", ("ሰ", "a"), 4),
    ]


def test_what_saves_little_or_exists_or_may_not_be():
    assert grown({(0, 1): 1}) == []
    assert grown({(0, 1): 5}, taken={"ab"}) == []
    assert grown({(0, 1): 5}, may_merge=lambda token: token != "ab") == []


def test_a_token_is_made_in_one_way_alone():
    """ab + c and a + bc: another merge to a token that is there could change what the merges before it see."""
    tokens = {0: "a", 1: "b", 2: "c", 3: "ab", 4: "bc"}
    assert grown({(3, 2): 3, (0, 4): 2}, tokens=tokens) == [NewToken("abc", ("ab", "c"), 3)]


def brute_force(words, count):
    """The same by counting everything again for every token."""
    words = [([LETTERS[symbol] for symbol in word], times) for word, times in words.items()]
    order = {token: number for number, token in LETTERS.items()}
    made, found = set(order), []
    while len(found) < count:
        pairs = Counter()
        for word, times in words:
            for left, right in pairwise(word):
                if left + right not in made and len(left + right) <= 4:
                    pairs[left, right] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], order[pair[0]], order[pair[1]]), default=None)
        if best is None or pairs[best] < 2:
            break
        found.append(NewToken("".join(best), best, pairs[best]))
        made.add("".join(best))
        order["".join(best)] = len(order)
        for word, _ in words:
            position = 0
            while position < len(word) - 1:
                if (word[position], word[position + 1]) == best:
                    word[position : position + 2] = ["".join(best)]
                position += 1
    return found


@given(st.dictionaries(st.lists(st.integers(0, 3), min_size=1, max_size=9).map(tuple), st.integers(1, 9), max_size=12))
def test_counts_kept_up_to_date_are_counts_made_again(words):
    assert grown(words, may_merge=lambda token: len(token) <= 4, count=12) == brute_force(words, 12)
