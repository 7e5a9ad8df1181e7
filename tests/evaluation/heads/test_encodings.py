"""Features of every head with a real tokenizer: what the model reads and where the labels are."""

import numpy as np
import pytest

from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.collate import collate
from mmbert_composer.evaluation.heads.all_heads import HEADS
from mmbert_composer.evaluation.heads.head import Encoding
from mmbert_composer.evaluation.heads.tagging import IGNORED, words_by_offset
from mmbert_composer.evaluation.load_for_task import load_tokenizer
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters
from tests.evaluation.tiny_benchmarks import make_rows


@pytest.fixture
def encoding(tiny_encoder, tmp_path):
    def make(name, word_join="split", **hyperparameters):
        settings = Settings(folder=tmp_path, word_join=word_join)
        tokenizer = load_tokenizer(tiny_encoder, settings)
        return Encoding(BY_NAME[name], tokenizer, Hyperparameters(**hyperparameters), settings)

    return make


def test_a_pair_is_cut_and_padded(encoding):
    how = encoding("rte", max_length=12)
    features = HEADS["sequence"].encode(make_rows(how.task, 4, "x"), how, train=True)
    assert all(feature.length <= 12 for feature in features)
    batch = collate(HEADS["sequence"], features, how.tokenizer.pad_token_id)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert batch["attention_mask"].sum() == sum(feature.length for feature in features)
    assert batch["labels"].tolist() == [feature.label for feature in features]


def test_regression_has_floats(encoding):
    how = encoding("stsb")
    batch = collate(HEADS["sequence"], HEADS["sequence"].encode(make_rows(how.task, 3, "x"), how, train=True), 0)
    assert str(batch["labels"].dtype) == "torch.float32"


def test_choices_ask_the_question(encoding):
    how = encoding("copa")
    row = {"premise": "it rains", "question": "effect", "choice1": "wet", "choice2": "dry boats", "label": 1}
    (feature,) = HEADS["choice"].encode([row], how, train=True)
    texts = [how.tokenizer.decode(choice["input_ids"], skip_special_tokens=True) for choice in feature.choices]
    assert [" ".join(text.split()) for text in texts] == [
        "it rains What was the effect?wet",
        "it rains What was the effect?dry boats",
    ] or all("it rains What was the effect?" in text for text in texts)
    batch = collate(HEADS["choice"], [feature], how.tokenizer.pad_token_id)
    assert batch["input_ids"].shape[:2] == (1, 2)


@pytest.mark.parametrize("word_join", ["split", "space"])
def test_each_word_is_tagged_once_at_its_first_token(encoding, word_join):
    how = encoding("udpos", word_join)
    row = {"tokens": ["harbour", "zzzq", "the", "."], "pos_tags": [7, 11, "DET", 12]}
    (feature,) = HEADS["tagging"].encode([row], how, train=True)
    assert feature.label[feature.label != IGNORED].tolist() == [7, 11, 5, 12]
    tokens = how.tokenizer.convert_ids_to_tokens(feature.inputs["input_ids"])
    first_of_the = tokens[np.nonzero(feature.label == 5)[0][0]]
    # The paper's weakness: word by word, the tokenizer never sees the blank that marks a word's start.
    assert first_of_the.startswith((" ", "\u2581")) == (word_join == "space")


def test_words_by_offset():
    assert words_by_offset(["to", "be"], [(0, 0), (0, 2), (2, 5), (0, 0)]) == [None, 0, 1, None]
    assert words_by_offset(["a", "bc"], [(0, 1), (1, 2), (2, 3), (3, 4)]) == [0, None, 1, 1]


def test_a_long_context_becomes_windows_that_overlap(encoding):
    how = encoding("squad", max_length=48, stride=16)
    context = " ".join(f"word{n}" for n in range(60)) + " harbour"
    row = {
        "question": "which " + "very long question " * 40,
        "context": context,
        "answers": {"text": ["harbour"], "answer_start": [context.index("harbour")]},
    }
    features = HEADS["span"].encode([row], how, train=True)
    assert len(features) > 2
    assert all(feature.length <= 48 for feature in features)
    assert {feature.row for feature in features} == {0}
    # Where the answer is not in the window both ends are the first token; where it is they give its characters.
    *others, last = features
    assert all(feature.label == (0, 0) for feature in others)
    first, end = last.label
    offsets = last.info["offsets"]
    assert context[offsets[first, 0] : offsets[end, 1]].strip() == "harbour"


def test_questions_of_many_bytes_leave_room_for_the_context(encoding):
    how = encoding("squad", max_length=384, stride=128)
    row = {
        "question": "क्या " * 80,
        "context": "नदी पत्थर के पुल के नीचे बहती है " * 12,
        "answers": {"text": ["नदी"], "answer_start": [0]},
    }
    features = HEADS["span"].encode([row], how, train=False)
    assert all(feature.length <= 384 for feature in features)
