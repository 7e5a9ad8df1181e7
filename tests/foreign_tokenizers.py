"""Fixtures: tokenizers built as those of mmBERT (Gemma 2's) and of ModernBERT are, in small."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ENGLISH = [
    "the quick brown fox jumps over the lazy dog and runs through the green field",
    "some people say that the weather is fine today, others think that it will rain",
    "she reads the paper in the morning and walks to the station before nine",
] * 8


def _trained(tokenizer: Tokenizer, texts: Sequence[str], size: int, alphabet: Sequence[str] = ()) -> dict[str, Any]:
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())["model"]


def _save(tokenizer: Tokenizer, folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {key: value for key, value in config.items() if key.endswith("_token")}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        **config,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    return folder


def _decoder_of(tokens: Sequence[tuple[int, str, bool]]) -> dict[str, Any]:
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {str(index): {"content": token, "special": special, **flags} for index, token, special in tokens}


def save_gemma_like(folder: Path, size: int = 420, unused: int = 4) -> Path:
    """Byte-fallback BPE, spaces as U+2581, no word boundaries but those; ``<pad>`` 0 to ``<mask>`` 4, placeholders."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")  # type: ignore[assignment]
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # type: ignore[assignment]
    fixed = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<unused{number}>" for number in range(unused))]
    fixed += [f"<0x{byte:02X}>" for byte in range(256)]
    learnt = _trained(learner, ENGLISH, size - len(fixed))
    tokens = sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    vocab = {token: index for index, token in enumerate([*fixed, *tokens])}
    merges = [(left, right) for left, right in learnt["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")  # type: ignore[assignment]
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")  # type: ignore[assignment]
    tokenizer.decoder = decoders.Sequence(  # type: ignore[assignment]
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in fixed[:5]])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in fixed[5 : 5 + unused]])
    added = [(vocab[token], token, number < 5) for number, token in enumerate(fixed[: 5 + unused])]
    roles = {
        "pad_token": "<pad>",
        "eos_token": "<eos>",
        "bos_token": "<bos>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    return _save(tokenizer, folder, {**roles, "added_tokens_decoder": _decoder_of(added)})


def save_modernbert_like(folder: Path, size: int = 400, unused: int = 3) -> Path:
    """Byte-level BPE as GPT-NeoX has it, then BERT's special tokens and placeholders; no bos, no eos."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    last = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", *(f"[unused{number}]" for number in range(unused))]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learnt = _trained(learner, ENGLISH, size - 2 - len(last), sorted(alphabet))
    tokens = sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    vocab = {token: index for index, token in enumerate(["|||IP_ADDRESS|||", "<|padding|>", *tokens])}
    tokenizer = Tokenizer(models.BPE(vocab, [(left, right) for left, right in learnt["merges"]]))
    tokenizer.normalizer = normalizers.NFC()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    tokenizer.add_tokens([AddedToken("|||IP_ADDRESS|||", normalized=True)])
    tokenizer.add_special_tokens([AddedToken("<|padding|>", normalized=False)])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, lstrip=token == "[MASK]") for token in last[:5]])
    tokenizer.add_tokens([AddedToken(token, normalized=True) for token in last[5:]])
    ids = {token: tokenizer.token_to_id(token) for token in last}
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    added = [(0, "|||IP_ADDRESS|||", False), (1, "<|padding|>", True)]
    added += [(ids[token], token, number < 5) for number, token in enumerate(last)]
    roles = {
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
    }
    return _save(tokenizer, folder, {**roles, "added_tokens_decoder": _decoder_of(added)})


@pytest.fixture
def gemma_like(tmp_path: Path) -> Path:
    """Folder of a tokenizer in the form of mmBERT's."""
    return save_gemma_like(tmp_path / "gemma-like")


@pytest.fixture
def modernbert_like(tmp_path: Path) -> Path:
    """Folder of a tokenizer in the form of ModernBERT's."""
    return save_modernbert_like(tmp_path / "modernbert-like")
