"""tokenizer_config.json in words that transformers 4 and 5 both know."""

from collections.abc import Mapping
from typing import Any

# Class of a tokenizer that is its tokenizer.json alone: 5 saves it under a name that 4 does not have, and reads both.
_NAME_IN_5, _NAME_IN_BOTH = "TokenizersBackend", "PreTrainedTokenizerFast"
_OF_5_ALONE = ("backend", "is_local")


def settings_for_both(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The content of tokenizer_config.json as transformers 4 can read it too; all else stays as it is."""
    if settings.get("tokenizer_class") != _NAME_IN_5:
        return dict(settings)
    kept = {key: value for key, value in settings.items() if key not in _OF_5_ALONE}
    return {**kept, "tokenizer_class": _NAME_IN_BOTH}
