import json
import resource

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from mmbert_composer.data.grow_tokenizer import check_growth, embedding_rows, grow_tokenizer
from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.data.tokenizer import train_tokenizer
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError
from mmbert_composer.importing.kept_ids import new_tokens
from tests.foreign_tokenizers import ENGLISH

pytest_plugins = ("tiny_models", "foreign_tokenizers")

AMHARIC = [
    "ሰው ሁሉ ነጻና በክብርና በመብት እኩልነት ያለው ሆኖ የተወለደ ነው።",
    "የተፈጥሮ ማስተዋልና ሕሊና ስላለው አንዱ ሌላውን በወንድማማችነት መንፈስ መመልከት ይገባዋል።",
    "እያንዳንዱ ሰው የዘር የቀለም የጾታ የቋንቋ ልዩነት ሳይደረግበት መብቱ ነው።",
    "ሰው ሁሉ ሕይወት ነጻነትና ደኅንነት መብት አለው። ሰው ሁሉ ነጻ ነው።",
] * 3


@pytest.fixture
def ours(tmp_path):
    train_tokenizer(iter(ENGLISH), 560, tmp_path / "ours")
    return tmp_path / "ours"


@pytest.mark.parametrize("kind", ["gemma_like", "modernbert_like", "ours"])
def test_every_kind(tmp_path, request, kind):
    folder = request.getfixturevalue(kind)
    files = TokenizerFiles(folder)
    growth = grow_tokenizer(files, AMHARIC, 60, tmp_path / "grown")
    grown = TokenizerFiles(tmp_path / "grown")
    added = new_tokens(files, grown)  # raises where an old token has moved
    assert len(added.tokens) == len(growth.tokens) == 60
    assert added.tokens == {token.token: index for index, token in growth.tokens.items()}
    # Text of the old language has its old tokens, that of the new one fewer, and both come back as they were.
    assert [ids.tolist() for ids in TextEncoder(folder).encode(ENGLISH)] == [
        ids.tolist() for ids in TextEncoder(tmp_path / "grown").encode(ENGLISH)
    ]
    before = sum(map(len, TextEncoder(folder).encode(AMHARIC)))
    after = sum(map(len, TextEncoder(tmp_path / "grown").encode(AMHARIC)))
    assert after < 0.6 * before
    loaded = AutoTokenizer.from_pretrained(tmp_path / "grown")
    for token, index in grown.vocabulary.items():
        assert loaded.convert_tokens_to_ids(token) == index
    for text in (AMHARIC[0], ENGLISH[0], f"{AMHARIC[0]} {ENGLISH[0]}"):
        assert loaded.decode(loaded(text).input_ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("kind", ["gemma_like", "modernbert_like", "ours"])
def test_what_was_counted_is_what_the_tokenizer_does(tmp_path, request, kind):
    """The first new merge saves as many tokens as its count said, and so do all of them together."""
    folder = request.getfixturevalue(kind)
    texts = ["\n".join(AMHARIC)]
    lengths = [sum(map(len, TextEncoder(folder).encode(texts)))]
    for number in (1, 25):
        growth = grow_tokenizer(TokenizerFiles(folder), texts, number, tmp_path / f"grown-{number}")
        lengths.append(sum(map(len, TextEncoder(tmp_path / f"grown-{number}").encode(texts))))
        assert lengths[0] - lengths[-1] == sum(token.saves for token in growth.tokens.values())


def test_spare_ids_come_first(tmp_path, gemma_like, modernbert_like):
    """416 tokens in 448 rows, 4 placeholders from id 5: 32 ids of padding, then 5 to 8, then from 448."""
    growth = grow_tokenizer(TokenizerFiles(gemma_like), AMHARIC, 40, tmp_path / "grown")
    assert list(growth.tokens) == [*range(416, 448), 5, 6, 7, 8, *range(448, 452)]
    assert (growth.rows, growth.padding, growth.placeholders, growth.rows_after) == (448, 32, 4, 512)
    assert (growth.behind, growth.spare, growth.room) == (4, 0, 60)
    grown = TokenizerFiles(tmp_path / "grown")
    assert not any(token.startswith("<unused") for token in grown.vocabulary)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert "unused" not in (tmp_path / "grown" / name).read_text()
    # Placeholders behind the model's own vocabulary: those that stay keep their numbers.
    growth = grow_tokenizer(TokenizerFiles(modernbert_like), AMHARIC, 61, tmp_path / "two")
    assert list(growth.tokens) == [*range(388, 448), 385]
    grown = TokenizerFiles(tmp_path / "two")
    assert (grown.vocabulary["[unused1]"], grown.vocabulary["[unused2]"]) == (386, 387)
    assert AutoTokenizer.from_pretrained(tmp_path / "two").convert_tokens_to_ids("[unused2]") == 387
    assert growth.rows_after == 448


def test_the_rows_of_the_model_beside_it(tmp_path, gemma_like):
    assert embedding_rows(TokenizerFiles(gemma_like)) == 448
    (gemma_like / "config.json").write_text(json.dumps({"vocab_size": 420}))
    growth = grow_tokenizer(TokenizerFiles(gemma_like), AMHARIC, 10, tmp_path / "grown")
    assert list(growth.tokens) == [416, 417, 418, 419, 5, 6, 7, 8, 420, 421]
    assert (growth.rows, growth.rows_after) == (420, 448)


def test_the_same_whatever_the_order(tmp_path, gemma_like):
    for name, texts in (("one", AMHARIC), ("two", AMHARIC[::-1])):
        grow_tokenizer(TokenizerFiles(gemma_like), texts, 60, tmp_path / name)
    assert (tmp_path / "one" / "tokenizer.json").read_bytes() == (tmp_path / "two" / "tokenizer.json").read_bytes()


def test_grown_again(tmp_path, gemma_like):
    """What a grown tokenizer gives is grown on as any other: the merges go on where they ended."""
    grow_tokenizer(TokenizerFiles(gemma_like), AMHARIC, 10, tmp_path / "ten")
    grow_tokenizer(TokenizerFiles(tmp_path / "ten"), AMHARIC, 10, tmp_path / "more")
    grow_tokenizer(TokenizerFiles(gemma_like), AMHARIC, 20, tmp_path / "twenty")
    made = [
        set(new_tokens(TokenizerFiles(gemma_like), TokenizerFiles(tmp_path / name)).tokens)
        for name in ("more", "twenty")
    ]
    assert made[0] == made[1]


def test_merges_written_as_texts(tmp_path, gemma_like):
    content = json.loads((gemma_like / "tokenizer.json").read_text())
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    (gemma_like / "tokenizer.json").write_text(json.dumps(content))
    grow_tokenizer(TokenizerFiles(gemma_like), AMHARIC, 30, tmp_path / "grown")
    merges = json.loads((tmp_path / "grown" / "tokenizer.json").read_text())["model"]["merges"]
    assert all(isinstance(merge, str) for merge in merges)
    assert len(merges) > len(content["model"]["merges"])
    Tokenizer.from_file(str(tmp_path / "grown" / "tokenizer.json"))


def test_old_files_that_would_contradict_are_left_behind(tmp_path, gemma_like):
    for name in ("tokenizer.model", "vocab.json", "merges.txt", "config.json", "added_tokens.json"):
        (gemma_like / name).write_text('{"vocab_size": 448, "<unused0>": 5, "<kept>": 9}')
    grow_tokenizer(TokenizerFiles(gemma_like), AMHARIC, 40, tmp_path / "grown")
    assert sorted(path.name for path in (tmp_path / "grown").iterdir()) == [
        "added_tokens.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert "<unused0>" not in (tmp_path / "grown" / "added_tokens.json").read_text()


def test_bad_calls(tmp_path, gemma_like):
    with pytest.raises(UserError, match="new-tokens=0 must be at least 1"):
        check_growth(gemma_like, 0, tmp_path / "grown")
    with pytest.raises(UserError, match="no tokenizer in"):
        check_growth(tmp_path / "none", 5, tmp_path / "grown")
    with pytest.raises(UserError, match="is not empty: choose another folder"):
        check_growth(gemma_like, 5, gemma_like)
    with pytest.raises(UserError, match="gives no new token for the tokenizer"):
        grow_tokenizer(TokenizerFiles(gemma_like), ["the quick brown fox"], 5, tmp_path / "grown")
    assert not (tmp_path / "grown").exists()


def test_a_full_disk_leaves_nothing(tmp_path, gemma_like):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        with pytest.raises(UserError, match="grown: File too large; nothing was left there"):
            grow_tokenizer(TokenizerFiles(gemma_like), AMHARIC, 5, tmp_path / "grown")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["gemma-like"]
