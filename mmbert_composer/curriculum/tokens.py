"""Times on the token clock, written as ``2_300_000_000_000tok``.

The clock counts *slots*: blocks x block_size, padding included, summed over ranks.
"""

import re

from mmbert_composer.errors import UserError

_SUFFIX = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_TIME = re.compile(r"(?P<number>\d[\d_]*(?:\.\d+)?)\s*(?P<suffix>[kmbt]?)\s*tok", re.IGNORECASE)


def parse_tokens(value: object, where: str) -> int:
    """Tokens as an int: ``"3_000tok"``, ``"2.3Ttok"`` or a plain int; ``where`` names the key in errors."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"{where}: {value!r} is not a number of tokens; write for example 3_000_000_000tok")
    if isinstance(value, int):
        tokens = value
    else:
        match = _TIME.fullmatch(value.strip())
        if match is None:
            raise UserError(f"{where}: {value!r} is not a number of tokens; write for example 3_000_000_000tok")
        tokens = round(float(match["number"].replace("_", "")) * _SUFFIX[match["suffix"].lower()])
    if tokens <= 0:
        raise UserError(f"{where}: {value!r} must be above 0 tokens")
    return tokens


def format_tokens(tokens: float) -> str:
    """A short form for people: ``2.30T``, ``600.0B``, ``81.9k``."""
    for suffix, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(tokens) >= scale:
            return f"{tokens / scale:.2f}{suffix}"
    return f"{tokens:.0f}"
