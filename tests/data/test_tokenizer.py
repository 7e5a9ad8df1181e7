import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.data.tokenizer import PIECES, load_tokenizer, tokenizer_hash, train_tokenizer
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError

TEXTS = [
    "The quick brown fox jumps over the lazy dog, again and again.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "色は匂へど 散りぬるを 我が世誰ぞ 常ならむ",
    "<mask> <eos> <0x41> a line with <mask> and <mask>, <eos> and <0x41>.",
] * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tokenizer") / "tok"
    train_tokenizer(iter(TEXTS), 700, out)
    return out


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(folder)


def test_special_tokens_have_the_ids_of_gemma(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_tokens_to_ids(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]) == [0, 1, 2, 3, 4]
    files = TokenizerFiles(folder)
    assert files.special_ids == {"pad": 0, "eos": 1, "bos": 2, "unk": 3, "mask": 4}
    assert files.special_token_ids == (0, 1, 2, 3, 4) == tuple(sorted(tokenizer.all_special_ids))
    assert files.vocab_size == len(tokenizer) <= 700
    assert (tokenizer.cls_token, tokenizer.sep_token) == ("<bos>", "<eos>")


def test_transformers_gives_bos_content_eos_and_two_inputs(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = tokenizer("quick fox")
    assert sorted(encoded) == ["attention_mask", "input_ids"] == sorted(tokenizer.model_input_names)
    ids = encoded["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert not set(ids[1:-1]) & set(tokenizer.all_special_ids)
    masked = tokenizer("the <mask>", add_special_tokens=False)["input_ids"]
    assert masked == [*tokenizer("the", add_special_tokens=False)["input_ids"], tokenizer.mask_token_id]


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_any_text_comes_back(folder: Path, text: str) -> None:
    encoder = TextEncoder(folder)
    ids = encoder.encode([text])[0]
    assert not set(ids.tolist()) & {0, 1, 2, 3, 4}
    assert encoder._tokenizer.decode(ids.tolist(), skip_special_tokens=False) == text


@pytest.mark.parametrize("text", ["a ▁ b", "  two  spaces \n\n\t\r\n", "🙂‍↔️ ﷺ \u200c\u200d", "\ufdd0", "<0x41><mask>"])
def test_traps_of_other_tokenizers_come_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_text_that_reads_like_a_fixed_token_never_gets_its_id(folder: Path) -> None:
    files = TokenizerFiles(folder)
    ids = TextEncoder(folder).encode(["<mask> <eos> <0x41> x<bos>y<pad>"])[0].tolist()
    assert not set(ids) & {0, 1, 2, 3, 4, files.vocabulary["<0x41>"]}
    # Also not by merges, though the training text is full of them.
    results = ["".join(merge) for merge in files.fast["model"]["merges"]]
    assert not {"<mask>", "<eos>", "<0x41>"} & set(results)


def test_training_does_not_depend_on_the_order_of_texts(folder: Path, tmp_path: Path) -> None:
    train_tokenizer(iter(TEXTS[::-1]), 700, tmp_path / "again")
    assert tokenizer_hash(tmp_path / "again") == tokenizer_hash(folder)
    assert (tmp_path / "again/tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_no_token_is_longer_than_a_piece_in_a_script_without_spaces(tmp_path: Path) -> None:
    train_tokenizer(iter(["色は匂へど散りぬるを我が世誰ぞ常ならむ" * 30] * 5), 1000, tmp_path / "tok")
    assert "{1,16}" in PIECES
    vocabulary = TokenizerFiles(tmp_path / "tok").vocabulary
    assert max(len(token) for token in vocabulary if not token.startswith("<")) == 16


def test_characters_beyond_the_alphabet_become_bytes_and_no_merge_crosses_them(tmp_path: Path) -> None:
    rare = "".join(chr(0x4E00 + i) for i in range(400))
    train_tokenizer(iter(["ab" * 100, *(f"q{c}z" for c in rare)]), 600, tmp_path / "tok")
    vocabulary = TokenizerFiles(tmp_path / "tok").vocabulary
    assert sum(character in vocabulary for character in rare) == 600 // 4 - 4
    assert "qz" not in vocabulary
    encoder = TextEncoder(tmp_path / "tok")
    last = next(character for character in rare if character not in vocabulary)
    assert encoder._tokenizer.encode(f"q{last}", add_special_tokens=False).tokens[1:] == [
        f"<0x{byte:02X}>" for byte in last.encode()
    ]


def test_the_hash_sees_merges_and_special_ids_but_not_the_layout(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text())
        (copy / name).write_text(json.dumps(content, indent=7))
    assert tokenizer_hash(copy) == tokenizer_hash(folder)
    content["mask_token"], content["unk_token"] = content["unk_token"], content["mask_token"]
    (copy / "tokenizer_config.json").write_text(json.dumps(content))
    assert tokenizer_hash(copy) != tokenizer_hash(folder)


def test_bad_requests_say_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text to train"):
        train_tokenizer(iter([""]), 700, tmp_path / "a")
    with pytest.raises(UserError, match="vocab_size=300 must be at least 522"):
        train_tokenizer(iter(TEXTS), 300, tmp_path / "a")
    with pytest.raises(UserError, match="is not empty"):
        train_tokenizer(iter(TEXTS), 700, folder)
    with pytest.raises(UserError, match=r"no tokenizer in .*nowhere"):
        load_tokenizer(tmp_path / "nowhere")


def test_a_folder_without_a_mask_token_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["mask_token"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="has no mask token"):
        tokenizer_hash(tmp_path)
