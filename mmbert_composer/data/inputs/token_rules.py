"""What tokens that were made before must be to go with a tokenizer."""

from dataclasses import dataclass

from mmbert_composer.data.tokenizer_files import TokenizerFacts


@dataclass(frozen=True)
class TokenRules:
    """What sequences must be to go with a tokenizer."""

    bos: int
    eos: int
    vocab_size: int

    @staticmethod
    def of(tokenizer: TokenizerFacts) -> "TokenRules":
        """The rules of a tokenizer's folder."""
        ids = tokenizer.special_ids
        return TokenRules(ids["bos"], ids["eos"], tokenizer.vocab_size)
