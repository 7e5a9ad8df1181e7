import io

from rich.console import Console

from mmbert_composer.data.token_coverage import Coverage, coverage_json, coverage_table, measure_coverage
from mmbert_composer.data.tokenizer_files import TokenizerFiles

pytest_plugins = ("tiny_models", "foreign_tokenizers")


def test_by_hand(gemma_like):
    """The text has 4 words of which 3 are one token; ሰላ is a space and twice three bytes."""
    measured = measure_coverage(TokenizerFiles(gemma_like), {"amh": ["the fox the ሰላ"], "und": []})
    assert measured["amh"] == Coverage(
        characters=14, words=4, tokens=10, word_tokens=10, one_token_words=3, byte_tokens=6
    )
    assert measured["amh"].to_json() == {
        "tokens_per_word": 2.5,
        "tokens_per_character": 0.7143,
        "one_token_words": 0.75,
        "byte_tokens": 0.6,
    }
    assert measured["und"].to_json()["tokens_per_word"] == 0


def test_parts_of_characters_in_a_byte_level_vocabulary(modernbert_like):
    measured = measure_coverage(TokenizerFiles(modernbert_like), {"amh": ["the ሰ", "|||IP_ADDRESS|||"]})["amh"]
    assert (measured.tokens, measured.byte_tokens) == (6, 3)


def test_table_and_json():
    before = {"amh": Coverage(100, 20, 200, 190, 1, 150), "und": Coverage(7, 0, 0, 0, 0, 0)}
    after = {"amh": Coverage(100, 20, 40, 30, 15, 4), "und": Coverage(7, 0, 0, 0, 0, 0)}
    screen = io.StringIO()
    Console(width=80, file=screen).print(coverage_table(before, after))
    lines = screen.getvalue().splitlines()
    assert " ".join(lines[2].split()) == "amh Amharic 100 9.50 -> 1.50 2.00 -> 0.40 5% -> 75% 75% -> 10%"
    assert lines[3].split()[:2] == ["und", "7"]
    written = coverage_json(before, after)
    assert written["amh"]["before"]["tokens_per_word"] == 9.5
    assert (written["amh"]["after"]["one_token_words"], written["amh"]["words"]) == (0.75, 20)
