"""The tokenizer of any encoder's folder."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, XLMRobertaTokenizerFast

from mmbert_composer.errors import UserError


def read_tokenizer(folder: str | Path, trust_remote_code: bool = False) -> Any:
    """The tokenizer in ``folder``. Raises UserError where transformers cannot load one.

    Multilingual MiniLM says it is a BERT, and its tokenizer is XLM-R's: its model card asks for that class.
    """
    try:
        if _is_minilm(Path(folder)):
            return XLMRobertaTokenizerFast.from_pretrained(folder, trust_remote_code=False)
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{folder}: no tokenizer that transformers can load: {first}") from None


def _is_minilm(folder: Path) -> bool:
    """A BERT with a SentencePiece model in the place of a list of words."""
    if not (folder / "sentencepiece.bpe.model").is_file() or (folder / "vocab.txt").is_file():
        return False
    return AutoConfig.from_pretrained(folder, trust_remote_code=False).model_type == "bert"
