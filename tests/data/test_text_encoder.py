from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.text_encoder import TextEncoder, split_text
from mmbert_composer.data.tokenizer import train_tokenizer


@given(text=st.text("ab \n", max_size=300), size=st.integers(1, 50))
def test_pieces_join_to_the_text_and_are_bounded(text: str, size: int) -> None:
    pieces = split_text(text, size)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= size for piece in pieces) or pieces == [""]


def test_a_text_is_cut_before_the_space_of_a_word() -> None:
    assert split_text("one two three", 9) == ["one two", " three"]


def test_a_long_text_gets_the_tokens_of_its_words(tmp_path: Path) -> None:
    words = "one two three four five " * 2000
    train_tokenizer(iter([words]), 600, tmp_path / "tok")
    encoder = TextEncoder(tmp_path / "tok")
    long, short = encoder.encode([words.strip(), "one"])
    assert long.dtype == np.uint32
    assert encoder._tokenizer.decode(long.tolist()) == words.strip()
    whole = encoder._tokenizer.encode(words.strip(), add_special_tokens=False).ids
    assert long.tolist() == whole
    assert len(short) == 1
