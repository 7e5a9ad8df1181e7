"""The script that a text is written in. Pure."""

import unicodedata
from collections import Counter

NO_SCRIPT = "none"
# How Unicode begins the names of what is one writing system to a reader.
_SAME = {"CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "BOPOMOFO": "Han"}
_LETTERS = 2000


def script_of(text: str) -> str:
    """Name of the script of most letters: "Latin", "Cyrillic", "Han"; "Japanese" where a tenth is kana; or "none".

    From the first word of each letter's name in Unicode, over the first 2,000 letters.
    """
    counts: Counter[str] = Counter()
    for character in text:
        if character.isalpha():
            word = unicodedata.name(character, "").split(" ")[0].split("-")[0]
            counts[_SAME.get(word, word.title())] += 1
            if counts.total() == _LETTERS:
                break
    if not counts:
        return NO_SCRIPT
    if counts["Japanese"] * 10 >= counts.total():
        return "Japanese"
    return max(counts, key=lambda name: (counts[name], name))
