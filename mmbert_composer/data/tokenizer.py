"""Train and load the tokenizer: byte-fallback BPE in the form of Gemma, with the special tokens of mmBERT.

``<pad>`` 0, ``<eos>`` 1, ``<bos>`` 2, ``<unk>`` 3, ``<mask>`` 4, then 256 byte tokens, then characters and merges.
Unlike Gemma's, spaces stay spaces inside tokens, so that a text which holds U+2581 comes back as it was.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteFallback, Fuse
from tokenizers.decoders import Sequence as DecoderSequence
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Sequence as PreTokenizerSequence
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

from mmbert_composer.data.text_sample import sample_texts
from mmbert_composer.data.tokenizer_files import TokenizerFiles, tokenizer_hash
from mmbert_composer.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["SPECIAL_TOKENS", "load_tokenizer", "tokenizer_hash", "train_tokenizer"]

SPECIAL_TOKENS = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))

# Pieces within which merges happen. All are bounded: a script without spaces makes one "word" of a whole paragraph, on
# which BPE is slow and whose every word would be unique. ZWNJ and ZWJ are letters here (Persian, Malayalam).
PIECES = (
    r" ?[\p{L}\p{M}\x{200C}\x{200D}]{1,16}"
    r"| ?\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{M}\p{N}\x{200C}\x{200D}]{1,8}"
    r"|[\r\n]{1,4}"
    r"|\s{1,16}(?!\S)"
    r"|\s"
)

# Characters beyond this share of the vocabulary are left to byte fallback, the rarest first.
ALPHABET_SHARE = 0.25
# More text is sampled down to this: merges hardly change, and counting it would take hours.
MAX_CHARACTERS = 200_000_000
# Stands for a rare character in the training text: words are cut there, so that no merge is learned across it.
_CUT = "\ufdd0"


def train_tokenizer(texts: Iterator[str], vocab_size: int, out: str | Path) -> "PreTrainedTokenizerFast":
    """Train a BPE of ``vocab_size`` tokens (fewer if the text has no more merges) and save it as folder ``out``.

    The result depends on the texts alone, not on their order; beyond 200M characters on a sample of them. Raises
    UserError when there is no text, when the vocabulary is too small for the 261 fixed tokens, or when ``out`` holds
    something.
    """
    out = Path(out)
    fixed = len(SPECIAL_TOKENS) + len(BYTE_TOKENS)
    if vocab_size < 2 * fixed:
        raise UserError(f"vocab_size={vocab_size} must be at least {2 * fixed}: {fixed} tokens are fixed")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty: choose another folder for the tokenizer, nothing was overwritten")
    kept = sample_texts(texts, MAX_CHARACTERS)
    characters: Counter[str] = Counter()
    for text in kept:
        characters.update(text)
    if not characters:
        raise UserError("no text to train a tokenizer on: the input gave no document")

    ranked = sorted(characters, key=lambda character: (-characters[character], character))
    alphabet = ranked[: int(vocab_size * ALPHABET_SHARE)]
    rare = str.maketrans(dict.fromkeys(ranked[len(alphabet) :], _CUT))
    trained = Tokenizer(BPE())
    trained.pre_tokenizer = PreTokenizerSequence([Split(_CUT, "removed"), _split()])  # type: ignore[assignment]
    trainer = BpeTrainer(
        vocab_size=vocab_size - fixed,
        min_frequency=2,
        initial_alphabet=alphabet,
        # All of them and no others: the trainer's own limit breaks ties by the order of a hash map.
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    trained.train_from_iterator((text.translate(rare) if rare else text for text in kept), trainer)

    out.mkdir(parents=True, exist_ok=True)
    _assemble(trained).save(str(out / "tokenizer.json"))
    _write_settings(out)
    return load_tokenizer(out)


def load_tokenizer(path: str | Path) -> "PreTrainedTokenizerFast":
    """The tokenizer in folder ``path`` as transformers' fast tokenizer; its five special ids checked."""
    # Not at the top: everything else here works without transformers, whose import takes seconds.
    from transformers import AutoTokenizer

    files = TokenizerFiles(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path), local_files_only=True, trust_remote_code=False)
    except (ValueError, ImportError, OSError, KeyError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"tokenizer {path}: transformers does not load it ({reason}); a tokenizer is its JSON files alone, and "
            f"Python code beside them is not run"
        ) from error
    for key, index in files.special_ids.items():
        token = tokenizer.convert_ids_to_tokens(index)
        if tokenizer.convert_tokens_to_ids(token) != index:
            raise UserError(f"tokenizer {path}: the {key} token {token!r} has not id {index} once loaded")
    return tokenizer


def _split() -> Split:
    return Split(Regex(PIECES), "isolated")


def _assemble(trained: Tokenizer) -> Tokenizer:
    """The trained characters and merges behind the fixed tokens."""
    model = json.loads(trained.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    fixed = (*SPECIAL_TOKENS, *BYTE_TOKENS)
    # No piece holds "<" beside a letter: a merge that reads "<mask>" or "<0x41>" would give that token's id.
    assert not set(fixed) & set(tokens), "a trained token reads like a fixed one"
    vocab = {token: index for index, token in enumerate((*fixed, *tokens))}
    merges = [(left, right) for left, right in model["merges"]]

    tokenizer = Tokenizer(BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    # <mask> takes the space before it, as words carry theirs: "is <mask>" masks the token " blue".
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False, lstrip=token == "<mask>") for token in SPECIAL_TOKENS]
    )
    tokenizer.pre_tokenizer = _split()  # type: ignore[assignment]
    tokenizer.decoder = DecoderSequence([ByteFallback(), Fuse()])  # type: ignore[assignment]
    tokenizer.post_processor = TemplateProcessing(  # type: ignore[assignment]
        single="<bos> $A <eos>",
        pair="<bos> $A <eos> $B:1 <eos>:1",
        special_tokens=[("<bos>", vocab["<bos>"]), ("<eos>", vocab["<eos>"])],
    )
    return tokenizer


def _write_settings(out: Path) -> None:
    """tokenizer_config.json and special_tokens_map.json, as ``PreTrainedTokenizerFast`` reads them."""
    names = {
        "pad_token": "<pad>",
        "eos_token": "<eos>",
        "bos_token": "<bos>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "cls_token": "<bos>",
        "sep_token": "<eos>",
    }
    config = {
        **names,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "right",
        # Off: it would take the space away before commas and full stops.
        "clean_up_tokenization_spaces": False,
    }
    for name, content in (("tokenizer_config.json", config), ("special_tokens_map.json", names)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
