"""The files of a grown tokenizer."""

import errno
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from mmbert_composer.data.atomic_write import publish_folder, write_json
from mmbert_composer.data.grow_merges import NewToken
from mmbert_composer.data.tokenizer_files import TokenizerFiles, read_json
from mmbert_composer.data.tokenizer_settings import settings_for_both
from mmbert_composer.errors import UserError

# tokenizer.model, vocab.json and merges.txt would still hold the old tokenizer: they are not copied.
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def write_grown(files: TokenizerFiles, tokens: Mapping[int, NewToken], replaced: set[str], out: Path) -> None:
    """Write the tokenizer in ``files`` with ``tokens`` (by id, in the order of their merges) to folder ``out``.

    ``replaced``: placeholders whose ids were given away. The folder appears whole or not at all, after the library has
    read it back with every token at its id.
    """
    temporary = out.with_name(f".{out.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        fast = _grown(files, tokens, replaced)
        (temporary / "tokenizer.json").write_text(json.dumps(fast, ensure_ascii=False, indent=1), encoding="utf-8")
        for name in _SETTINGS:
            if (files.folder / name).is_file():
                settings = settings_for_both(_without(read_json(files.folder / name), replaced, set(tokens)))
                write_json(temporary / name, settings, indent=2)
        grown = TokenizerFiles(temporary)
        found = Tokenizer.from_file(str(temporary / "tokenizer.json")).get_vocab()
        assert found == grown.vocabulary, "the library reads other ids than were written"
        publish_folder(temporary, out)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(f"{out}: {error.strerror}; nothing was left there. Make room and try again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _grown(files: TokenizerFiles, tokens: Mapping[int, NewToken], replaced: set[str]) -> dict[str, Any]:
    fast = read_json(files.folder / "tokenizer.json")
    model = fast["model"]
    fast["added_tokens"] = [token for token in fast.get("added_tokens", []) if token["content"] not in replaced]
    # The library numbers added tokens that the model lacks by their order: in its vocabulary they keep their ids.
    added = {token["content"]: token["id"] for token in fast["added_tokens"]}
    vocab = {token: index for token, index in {**model["vocab"], **added}.items() if token not in replaced}
    vocab |= {token.token: index for index, token in tokens.items()}
    model["vocab"] = dict(sorted(vocab.items(), key=lambda item: item[1]))
    merges = model["merges"]
    as_text = bool(merges) and isinstance(merges[0], str)
    new = [list(token.merge) for token in tokens.values() if token.merge is not None]
    model["merges"] = [*merges, *([" ".join(pair) for pair in new] if as_text else new)]
    return fast


def _without(settings: dict[str, Any], replaced: set[str], ids: set[int]) -> dict[str, Any]:
    """Settings without the placeholders that are gone: transformers would add them again, behind all others."""
    kept = {key: value for key, value in settings.items() if key not in replaced}  # added_tokens.json
    if isinstance(kept.get("added_tokens_decoder"), dict):
        decoder = kept["added_tokens_decoder"].items()
        kept["added_tokens_decoder"] = {key: value for key, value in decoder if int(key) not in ids}
    for key in ("additional_special_tokens", "extra_special_tokens"):
        if isinstance(kept.get(key), list):
            kept[key] = [token for token in kept[key] if _content(token) not in replaced]
    return kept


def _content(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token
