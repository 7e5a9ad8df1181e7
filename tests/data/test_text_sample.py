import random

from hypothesis import given
from hypothesis import strategies as st

from mmbert_composer.data.text_sample import sample_texts


@given(texts=st.lists(st.text("abc", max_size=12), max_size=60), limit=st.integers(1, 80), seed=st.integers(0, 9))
def test_the_sample_is_bounded_and_does_not_depend_on_the_order(texts: list[str], limit: int, seed: int) -> None:
    sample = sample_texts(texts, limit)
    assert sum(map(len, sample)) <= limit
    shuffled = random.Random(seed).sample(texts, len(texts))
    assert sample_texts(shuffled, limit) == sample
    for text in set(sample):
        assert sample.count(text) == texts.count(text)


def test_everything_is_kept_when_it_fits() -> None:
    assert sorted(sample_texts(["b", "a", "", "a"], 10)) == ["a", "a", "b"]
