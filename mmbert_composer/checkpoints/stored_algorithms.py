"""The algorithms that a checkpoint names: Composer evaluates their text as Python, so it must be a plain call.

Fault: Composer 0.32.1 rebuilds an algorithm that changed the model by ``eval("algorithms." + repr)`` with the text that
the checkpoint holds (core/state.py:1132); ``weights_only`` does not see it, a text is a plain value. Can go: when
Composer builds algorithms without ``eval``.
"""

import ast
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError


def check_algorithms(state: dict[str, Any], path: Path) -> None:
    """Raise UserError unless every algorithm in ``state`` is written as ``Name(key=constant, ...)``."""
    stored = state.get("algorithms", [])
    if not isinstance(stored, list):
        return  # before 2023, and then Composer leaves them alone
    for entry in stored:
        if not _is_plain(entry):
            raise UserError(
                f"{path}: refused, it names an algorithm as {_shown(entry)}, which Composer would run as Python; only "
                f"a name with plain values, as Alibi(max_sequence_length=1024), is taken. If you trust the file, "
                f"save its weights alone as safetensors and use those"
            )


def _is_plain(entry: object) -> bool:
    if not isinstance(entry, tuple | list) or len(entry) != 2:
        return False
    name, values = entry
    text = values.get("repr") if isinstance(values, dict) else None
    if not isinstance(text, str):
        return False
    if text.startswith("<"):
        return True  # <composer.algorithms.ema.ema.EMA object at 0x...>: no Python, so nothing can come of it
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != name:
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg is not None)]
    whole = len(given) == len(call.args) + len(call.keywords)  # no **values
    return whole and all(_is_constant(value) for value in given)


def _is_constant(value: ast.expr) -> bool:
    """A number, text, true, false, none, or an event (``Event.AFTER_LOAD``)."""
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        value = value.operand
    if isinstance(value, ast.Attribute):
        return isinstance(value.value, ast.Name) and value.value.id == "Event"
    return isinstance(value, ast.Constant)


def _shown(entry: object) -> str:
    text = repr(entry)
    return text if len(text) <= 80 else f"{text[:77]}..."
