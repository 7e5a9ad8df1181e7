"""Is a tokenizer a grown form of another: every old token at its old id. JSON alone."""

from dataclasses import dataclass

from mmbert_composer.data.spare_ids import is_placeholder
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError

_NAMED = 5


@dataclass(frozen=True)
class NewTokens:
    """What a grown tokenizer added. ``tokens``: new token to id. ``replaced``: ids that placeholders had."""

    tokens: dict[str, int]
    replaced: frozenset[int]


def new_tokens(old: TokenizerFiles, new: TokenizerFiles) -> NewTokens:
    """The tokens of ``new`` that ``old`` lacks.

    Raises UserError, naming tokens, unless every token of ``old`` keeps its id (a placeholder such as ``<unused7>``
    may make room for another) and pad, eos, bos, unk and mask are the same: rows of the embedding go by their ids.
    """
    faults, freed = [], set()
    for token, index in sorted(old.vocabulary.items(), key=lambda item: item[1]):
        found = new.vocabulary.get(token)
        if found is None and is_placeholder(token):
            freed.add(index)
        elif found is None:
            faults.append(f"{token!r} (id {index}) is gone")
        elif found != index:
            faults.append(f"{token!r} was id {index} and is {found}")
    taken = {index: token for token, index in old.vocabulary.items() if index not in freed}
    added = {token: index for token, index in new.vocabulary.items() if token not in old.vocabulary}
    faults += [f"{token!r} takes id {index} of {taken[index]!r}" for token, index in added.items() if index in taken]
    for key, index in old.special_ids.items():
        if new.special_ids[key] != index:
            faults.append(f"the {key} token was id {index} and is {new.special_ids[key]}")
    if faults:
        more = f" and {len(faults) - _NAMED:,} more" if len(faults) > _NAMED else ""
        raise UserError(
            f"{new.folder} is no grown form of the tokenizer in {old.folder}: {'; '.join(faults[:_NAMED])}{more}. "
            "Every token must keep its id, for the model's rows go by them (`mmbert tokenizer grow` keeps them)"
        )
    return NewTokens(added, frozenset(freed & set(added.values())))
