"""What an old tokenizer makes of the tokens that a grown one added."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.importing.kept_ids import NewTokens


def old_pieces(old: TokenizerFiles, new: TokenizerFiles, added: NewTokens) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Id of each new token, in the order of ids, with the old ids of its text.

    A token of the vocabulary is in the tokenizer's own alphabet, normalised: the old merges (or other model) are
    applied to it as it stands. An added token's content is text, which the whole old tokenizer encodes. Empty where the
    old tokenizer knows nothing of it.
    """
    tokenizer = Tokenizer.from_file(str(old.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    unknown = old.special_ids["unk"]
    texts = {token["content"] for token in new.fast.get("added_tokens", [])}
    prefix = new.fast["model"].get("continuing_subword_prefix") or ""
    for token, index in sorted(added.tokens.items(), key=lambda item: item[1]):
        if token in texts:
            ids = tokenizer.encode(token, add_special_tokens=False).ids
        else:
            ids = [piece.id for piece in tokenizer.model.tokenize(token.removeprefix(prefix))]
        yield index, np.array([piece for piece in ids if piece != unknown], np.int64)
