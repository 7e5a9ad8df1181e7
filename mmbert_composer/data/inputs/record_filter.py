"""Conditions on a record's fields: ``language_score >= 0.8``, ``subset in ['arxiv', 'books']``."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mmbert_composer.errors import UserError

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
}
_CONDITION = re.compile(r"(?P<field>[^\s=!<>]+)\s*(?P<operator>==|!=|>=|<=|>|<|\bnot in\b|\bin\b)\s*(?P<value>.+)")


@dataclass(frozen=True)
class Condition:
    """One comparison of a field with a constant."""

    text: str
    field: str
    operator: str
    value: Any

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether ``record`` meets it. Raises LookupError without the field, TypeError when the two cannot compare."""
        found = nested_field(record, self.field)
        if found is None:
            raise LookupError(self.field)
        return _OPERATORS[self.operator](found, self.value)


@cache
def parse_condition(text: str) -> Condition:
    """``FIELD OPERATOR CONSTANT``, the constant as Python writes it. Raises UserError for anything else."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise UserError(f'filter {text!r} must be FIELD {" | ".join(_OPERATORS)} CONSTANT, as in "score >= 0.8"')
    try:
        value = ast.literal_eval(match["value"])
    except (ValueError, SyntaxError):
        raise UserError(
            f"filter {text!r}: {match['value']!r} is no constant (a number, a 'text' in quotes, or a list of these)"
        ) from None
    if "in" in match["operator"] and not isinstance(value, list | tuple | set):
        raise UserError(f"filter {text!r}: {match['operator']} needs a list, as in {match['field']} in ['a', 'b']")
    return Condition(text.strip(), match["field"], match["operator"], value)


def nested_field(record: Mapping[str, Any], name: str) -> Any:
    """The field of a name whose dots lead inwards, None without it: ``meta.url`` of ``{"meta": {"url": 1}}`` is 1."""
    if name in record:
        return record[name]
    found: Any = record
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
