"""Tokenizers in the two forms that the field uses: byte-level BPE, and BPE over characters as Gemma 2 has it."""

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import Replace
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.trainers import BpeTrainer

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
ROLES = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk", "mask")}
FORMS = ("byte-level", "gemma-form")


def train_form(form: str, texts: Sequence[str], vocab_size: int, folder: Path) -> Path:
    """A tokenizer of a form of ``FORMS`` in ``folder``, trained on ``texts``."""
    is_gemma = form == "gemma-form"
    learner = Tokenizer(BPE())
    if is_gemma:
        # Learnt inside of words; used without any boundary but the merges' own, as Gemma's is.
        learner.normalizer = Replace(" ", "▁")  # type: ignore[assignment]
        learner.pre_tokenizer = Split("▁", "merged_with_next")  # type: ignore[assignment]
    else:
        learner.pre_tokenizer = ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    fixed = [*SPECIAL, *(BYTES if is_gemma else ())]
    alphabet = [] if is_gemma else sorted(ByteLevel.alphabet())
    size = vocab_size - len(fixed)
    learner.train_from_iterator(texts, BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    tokens = sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    vocab = {token: index for index, token in enumerate([*fixed, *(token for token in tokens if token not in fixed)])}
    merges = [(left, right) for left, right in learnt["merges"]]
    if is_gemma:
        tokenizer = Tokenizer(BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        tokenizer.normalizer = Replace(" ", "▁")  # type: ignore[assignment]
        tokenizer.pre_tokenizer = Split(" ", "merged_with_previous")  # type: ignore[assignment]
    else:
        tokenizer = Tokenizer(BPE(vocab, merges))
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.add_special_tokens(list(SPECIAL))
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(ROLES))
    return folder
