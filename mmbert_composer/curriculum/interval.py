"""How often something is done: ``128ba``, ``10_000_000_000tok``, or ``2ep`` (segments)."""

import re

from mmbert_composer.errors import UserError

_INTERVAL = re.compile(r"(\d[\d_]*)\s*(ba|tok|ep)")


def parse_interval(value: object, where: str, *, segment_tok: int | None = None) -> str:
    """The interval in a form that Composer's interval schedulers take at a batch's end: ``128ba`` or ``8192tok``.

    A plain number counts batches. ``ep`` counts segments of ``segment_tok`` slots; without it, it is refused.

    Raises:
        UserError: naming ``where``.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value}ba"
    match = _INTERVAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1].replace("_", "")) < 1 or (match[2] == "ep" and segment_tok is None):
        raise UserError(f"{where}: {value!r} is no interval; write batches (128ba) or tokens (10_000_000tok)")
    number = int(match[1].replace("_", ""))
    if match[2] == "ep":
        return f"{number * (segment_tok or 0)}tok"
    return f"{number}{match[2]}"
