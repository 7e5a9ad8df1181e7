import pytest

from mmbert_composer.data.cut_words import MAX_SYMBOLS, WordCutter
from mmbert_composer.data.token_alphabet import TokenAlphabet
from mmbert_composer.data.tokenizer_files import TokenizerFiles

pytest_plugins = ("tiny_models", "foreign_tokenizers")


@pytest.fixture
def cut():
    """A function of (tokenizer, texts): the words counted, each as its symbols' texts."""

    def of(folder, texts):
        files = TokenizerFiles(folder)
        cutter = WordCutter(files, TokenAlphabet(files))
        counts = cutter.count(texts)
        names = {index: token for token, index in files.vocabulary.items()} | cutter.characters
        return {tuple(names[symbol] for symbol in word): count for word, count in counts.items()}

    return of


def test_words_of_one_token_need_nothing(cut, gemma_like):
    assert cut(gemma_like, ["the quick brown fox", ""]) == {}


def test_characters_without_a_token_are_symbols(cut, gemma_like):
    assert cut(gemma_like, ["the ሰላም quick", "ሰላም። ሰላም"]) == {
        ("▁", "ሰ", "ላ", "ም"): 2,
        ("ሰ", "ላ", "ም"): 1,
        ("።",): 1,  # alone: it is no letter
    }


def test_every_length_of_a_character(cut, gemma_like):
    assert cut(gemma_like, ["é", "я ሰ", "𐌰𐌱"]) == {
        ("é",): 1,
        ("я",): 1,
        ("▁", "ሰ"): 1,
        ("𐌰", "𐌱"): 1,
    }


def test_digits_and_punctuation_end_a_word(cut, gemma_like):
    counted = cut(gemma_like, ["qxz9zxq(qxz"])
    assert {"".join(word): count for word, count in counted.items()} == {"qxz": 2, "9": 1, "zxq": 1, "(": 1}


def test_a_byte_level_vocabulary_is_cut_by_its_own_pattern(cut, modernbert_like):
    counted = cut(modernbert_like, ["the ሰላም quick 42", "सबको"])
    alphabet = TokenAlphabet(TokenizerFiles(modernbert_like))
    words = {alphabet.content("".join(word)).decode(): count for word, count in counted.items()}
    # GPT-2's pattern has no marks among its letters: the vowel sign is cut off.
    assert words == {" ሰላም": 1, "सबक": 1, "ो": 1}


def test_added_tokens_in_the_text_stand_alone(cut, gemma_like, modernbert_like):
    assert cut(gemma_like, ["ab<unused1>ab"]).keys() <= {("a", "b"), ("ab",)}
    assert cut(modernbert_like, ["the|||IP_ADDRESS|||the"]) == {}


def test_a_text_without_spaces_is_counted_in_pieces(cut, gemma_like):
    counted = cut(gemma_like, ["ሰላም" * 100])
    assert sum(len(word) * count for word, count in counted.items()) == 300
    assert max(map(len, counted)) == MAX_SYMBOLS
