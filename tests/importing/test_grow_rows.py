import json

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from mmbert_composer.checkpoints.model_weights import EMBEDDING, model_weights
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.importing.grow_rows import RowReport, grow_rows
from mmbert_composer.importing.import_model import import_model
from mmbert_composer.importing.kept_ids import NewTokens, new_tokens
from mmbert_composer.importing.old_pieces import old_pieces

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")


def grown_by_hand(folder, out, tokens, added=()):
    """A copy of a tokenizer with more tokens in its vocabulary, {token: id}, and more added tokens."""
    out.mkdir()
    for file in folder.iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    content = json.loads((out / "tokenizer.json").read_text())
    content["model"]["vocab"].update(tokens)
    content["added_tokens"] += [
        {"id": index, "content": token, "special": False, "normalized": False, "lstrip": False}
        | {"rstrip": False, "single_word": False}
        for token, index in added
    ]
    (out / "tokenizer.json").write_text(json.dumps(content))
    return out


def test_new_rows_are_the_mean_of_the_old_pieces(tmp_path, save_hf, gemma_like):
    old = TokenizerFiles(gemma_like)
    vocab = old.vocabulary
    # ሰ has no token but three bytes; the others are cut into tokens that are there.
    tokens = {"▁quickfox": 416, "ሰ": 417, "foxes": 450}
    new = TokenizerFiles(grown_by_hand(gemma_like, tmp_path / "grown", tokens))
    weights = model_weights(save_hf())
    grown, report = grow_rows(weights, old, new, new_tokens(old, new))
    assert report == RowReport(
        before=448, after=512, kept=416, in_padding=2, in_placeholders=0, in_new_rows=1, padding=93, without_pieces=0
    )
    fast = Tokenizer.from_file(str(gemma_like / "tokenizer.json"))
    for name in (EMBEDDING, "decoder.bias"):
        rows, before = grown[name], weights[name]
        assert torch.equal(rows[:416], before[:416])
        assert torch.equal(rows[418:448], before[418:])  # rows of padding stay as they are
        pieces = {416: fast.model.tokenize("▁quickfox"), 450: fast.model.tokenize("foxes")}
        for index, found in pieces.items():
            ids = [piece.id for piece in found]
            assert len(ids) > 1
            assert torch.allclose(rows[index], before[ids].mean(0), atol=1e-6)
        three = [vocab[f"<0x{byte:02X}>"] for byte in "ሰ".encode()]
        assert torch.allclose(rows[417], before[three].mean(0), atol=1e-6)
        mean = before[:416].mean(0)
        for index in (448, 449, 451, 511):
            assert torch.allclose(rows[index], mean, atol=1e-6)
    for name in weights.keys() - {EMBEDDING, "decoder.bias"}:
        assert torch.equal(grown[name], weights[name])


def test_the_logit_of_a_new_token_is_the_mean_of_its_pieces(tmp_path, save_hf, gemma_like):
    from transformers import AutoModelForMaskedLM

    import_model(save_hf(), tmp_path / "start")
    grown = grown_by_hand(gemma_like, tmp_path / "grown", {"▁quickfox": 416})
    import_model(tmp_path / "start", tmp_path / "bigger", tokenizer=grown)
    ids = torch.tensor([[2, 270, 4, 280, 1]])
    old = AutoModelForMaskedLM.from_pretrained(tmp_path / "start")(ids).logits
    new = AutoModelForMaskedLM.from_pretrained(tmp_path / "bigger")(ids).logits
    assert torch.equal(new[..., :416], old[..., :416])
    pieces = [piece.id for piece in Tokenizer.from_file(str(gemma_like / "tokenizer.json")).model.tokenize("▁quickfox")]
    assert torch.allclose(new[..., 416], old[..., pieces].mean(-1), atol=1e-5)
    assert len(AutoTokenizer.from_pretrained(tmp_path / "bigger")) == 417
    record = json.loads((tmp_path / "bigger" / "import.json").read_text())
    assert record["rows"]["in_padding"] == 1
    assert json.loads((tmp_path / "bigger" / "config.json").read_text())["vocab_size"] == 448


def test_an_added_token_is_text(tmp_path, gemma_like):
    """transformers' add_tokens: no part of the model's alphabet, found in the text before it."""
    old = TokenizerFiles(gemma_like)
    grown = grown_by_hand(gemma_like, tmp_path / "grown", {}, added=[("the fox", 416)])
    new = TokenizerFiles(grown)
    (pieces,) = old_pieces(old, new, new_tokens(old, new))
    fast = Tokenizer.from_file(str(gemma_like / "tokenizer.json"))
    assert pieces[0] == 416
    assert pieces[1].tolist() == fast.encode("the fox", add_special_tokens=False).ids


def test_byte_level_pieces(tmp_path, modernbert_like):
    old = TokenizerFiles(modernbert_like)
    new = TokenizerFiles(grown_by_hand(modernbert_like, tmp_path / "grown", {"Ġquickfox": 388, "áĪ°": 389}))
    pieces = dict(old_pieces(old, new, new_tokens(old, new)))
    tokens = {index: token for token, index in old.vocabulary.items()}
    assert "".join(tokens[index] for index in pieces[388]) == "Ġquickfox"
    assert [tokens[index] for index in pieces[389]] == ["á", "Ī", "°"]


@pytest.mark.parametrize("kind", ["WordPiece", "Unigram"])
def test_other_tokenizers_that_keep_their_ids(tmp_path, kind):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##believ", "##able", "able", "believ"]
    if kind == "WordPiece":
        model = models.WordPiece({word: index for index, word in enumerate(words)}, unk_token="[UNK]")
        expected = {10: ["un", "##believ"], 11: ["believ", "##able"], 12: []}
        tokens = {"unbeliev": 10, "##believable": 11, "##qq": 12}
    else:
        plain = [word.removeprefix("##") for word in words[:8]]
        model = models.Unigram([(word, -float(index)) for index, word in enumerate(plain)], 1, False)
        expected = {8: ["un", "believ"], 9: ["believ", "able"]}
        tokens = {"unbeliev": 8, "believable": 9}
    settings = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        Tokenizer(model).save(str(tmp_path / name / "tokenizer.json"))
        (tmp_path / name / "tokenizer_config.json").write_text(json.dumps({**settings, "mask_token": "[MASK]"}))
    content = json.loads((tmp_path / "new" / "tokenizer.json").read_text())
    if kind == "WordPiece":
        content["model"]["vocab"].update(tokens)
    else:
        content["model"]["vocab"] += [[token, -20.0] for token in tokens]
    (tmp_path / "new" / "tokenizer.json").write_text(json.dumps(content))
    old, new = TokenizerFiles(tmp_path / "old"), TokenizerFiles(tmp_path / "new")
    added = new_tokens(old, new)
    assert added.tokens == tokens
    names = {index: token for token, index in old.vocabulary.items()}
    pieces = {index: [names[piece] for piece in found] for index, found in old_pieces(old, new, added)}
    assert pieces == expected
    weights = {EMBEDDING: torch.arange(64.0)[:, None].repeat(1, 2), "decoder.bias": torch.arange(64.0)}
    grown, report = grow_rows(weights, old, new, added)
    assert report.without_pieces == sum(not found for found in expected.values())
    first, found = next(iter(expected.items()))
    assert grown["decoder.bias"][first] == sum(old.vocabulary[piece] for piece in found) / len(found)


def test_nothing_added_changes_nothing(gemma_like):
    weights = {EMBEDDING: torch.randn(416, 4), "decoder.bias": torch.randn(416)}
    old = TokenizerFiles(gemma_like)
    grown, report = grow_rows(weights, old, old, NewTokens({}, frozenset()))
    assert torch.equal(grown[EMBEDDING], weights[EMBEDDING])
    assert (report.before, report.after, report.padding) == (416, 416, 0)
