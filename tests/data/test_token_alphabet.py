import json

import pytest

from mmbert_composer.data.token_alphabet import TokenAlphabet
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError

pytest_plugins = ("tiny_models", "foreign_tokenizers")


@pytest.mark.parametrize(
    ("token", "is_word"),
    [
        ("ab", True),
        ("▁ab", True),
        (" ab", True),
        ("ab▁c", False),
        ("▁▁ab", False),
        ("a1", False),
        ("a-b", False),
        ("can't", False),
        ("सब", True),
        ("सबको", True),  # with vowel signs
        ("می\u200cشود", True),
        ("a" * 16, True),
        ("▁" + "a" * 16, True),
        ("a" * 17, False),
        ("▁", False),
    ],
)
def test_words_with_byte_fallback(gemma_like, token, is_word):
    assert TokenAlphabet(TokenizerFiles(gemma_like)).is_word(token) == is_word


def test_bytes_with_byte_fallback(gemma_like):
    alphabet = TokenAlphabet(TokenizerFiles(gemma_like))
    assert not alphabet.byte_level
    assert (alphabet.byte_of("<0xE1>"), alphabet.byte_of("the"), alphabet.byte_of("<mask>")) == (0xE1, None, None)
    assert alphabet.is_part_of_character("<0xE1>")
    assert not alphabet.is_part_of_character("▁the")
    assert alphabet.begins_word("▁the")
    assert alphabet.is_space("▁")


def written(data: bytes) -> str:
    """Bytes in the characters of a byte-level vocabulary, from the library."""
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), key=ord)
    printable = [character for character in alphabet if ord(character) < 256]
    shifted = [byte for byte in range(256) if chr(byte) not in printable]
    return "".join(chr(b) if chr(b) in printable else chr(256 + shifted.index(b)) for b in data)


@pytest.mark.parametrize(
    ("data", "is_word"),
    [
        (b" fox", True),
        ("ሰላም".encode(), True),
        (" ሰላም".encode(), True),
        ("ሰላ".encode()[:5], True),  # the second character incomplete
        ("ሰ".encode()[:2], True),
        ("ሰ".encode()[1:], True),  # inside one character
        ("ሰላ".encode()[1:], False),  # begins inside one and goes on into the next
        (b"a1", False),
        (b"a b", False),
        (b"\n", False),
        (("ላ" * 17).encode(), False),
    ],
)
def test_words_of_a_byte_level_vocabulary(modernbert_like, data, is_word):
    alphabet = TokenAlphabet(TokenizerFiles(modernbert_like))
    assert alphabet.byte_level
    token = written(data)
    assert alphabet.content(token) == data
    assert alphabet.is_word(token) == is_word


def test_parts_of_characters_in_a_byte_level_vocabulary(modernbert_like):
    alphabet = TokenAlphabet(TokenizerFiles(modernbert_like))
    assert alphabet.is_part_of_character(written("ሰ".encode()[:2]))
    assert not alphabet.is_part_of_character(written("ሰ".encode()))
    assert alphabet.begins_word("Ġthe")
    assert alphabet.is_space("Ġ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "Unigram"}, "is a Unigram model, which has no merges to go on with; only BPE can be grown"),
        ({"type": "WordPiece"}, "is a WordPiece model"),
        ({"byte_fallback": False}, "neither byte fallback nor byte level"),
        ({"end_of_word_suffix": "</w>"}, "has a end_of_word_suffix"),
    ],
)
def test_what_cannot_be_grown(gemma_like, change, message):
    content = json.loads((gemma_like / "tokenizer.json").read_text())
    content["model"] |= change
    (gemma_like / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        TokenAlphabet(TokenizerFiles(gemma_like))
