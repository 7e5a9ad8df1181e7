"""SPEC of an input, ``kind:where``, and the readers behind it."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmbert_composer.data.inputs.cldr import CLDR
from mmbert_composer.data.inputs.document import Record, check_source
from mmbert_composer.data.inputs.fineweb2 import FINEWEB2
from mmbert_composer.data.inputs.hub import HF
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.jsonl import JSONL
from mmbert_composer.data.inputs.mds import MDS
from mmbert_composer.data.inputs.parquet import PARQUET
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.text import TEXT
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError

KINDS: dict[str, InputKind] = {
    "jsonl": JSONL,
    "parquet": PARQUET,
    "text": TEXT,
    "fineweb2": FINEWEB2,
    "hf": HF,
    "mds": MDS,
    "cldr": CLDR,
}


@dataclass(frozen=True)
class InputSpec:
    """One ``--input``: its kind, how it is read, and what it stands for at the time of parsing."""

    spec: str
    kind: str
    options: ReadOptions
    found: Found

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: what was left out, and why."""
        return self.found.notes

    @property
    def source(self) -> str:
        """Source of documents that name none."""
        return self.options.source or self.kind

    @property
    def licence(self) -> str:
        """The note on the licence: as given, else what the kind alone says."""
        return self.options.licence or KINDS[self.kind].licence

    def units(self, task_bytes: int) -> list[InputUnit]:
        """Everything to read, in order, in pieces of about ``task_bytes`` where they can be cut."""
        if task_bytes < 1:
            raise UserError(f"task_bytes={task_bytes} must be at least 1")
        return [piece for unit in self.found.units for piece in KINDS[self.kind].split(unit, task_bytes)]

    def read(self, options: ReadOptions | None = None, rules: TokenRules | None = None) -> Iterator[Record]:
        """Every record of every unit, in order."""
        for unit in self.found.units:
            yield from read_unit(unit, options or self.options, rules)

    def identity(self) -> dict[str, Any]:
        """What has to stay the same for a rerun to continue."""
        if self.kind == "cldr":
            return {"spec": self.spec, "babel": self.found.units[0].identity}
        files = [{"path": unit.path, "size": unit.size, "mtime_ns": unit.identity} for unit in self.found.units]
        return {"spec": self.spec, "files": files}


def read_unit(unit: InputUnit, options: ReadOptions, rules: TokenRules | None = None) -> Iterator[Record]:
    """The records of ``unit``, an input's own ``options`` given: the same ones in the same order in any process.

    Raises UserError for a unit of tokens without ``rules``: who reads text cannot use it.
    """
    kind = KINDS[unit.kind]
    if kind.read_tokens is not None:
        if rules is None:
            raise UserError(f"{unit.name}: {unit.kind}: holds tokens, and text is needed here")
        yield from kind.read_tokens(unit, options, rules)
    elif kind.read is not None:
        yield from kind.read(unit, options)


def parse_inputs(specs: Sequence[str], options: ReadOptions) -> list[InputSpec]:
    """Every SPEC parsed and checked. Raises UserError when there is none, and when two name the same file."""
    if not specs:
        raise UserError("no input: name at least one, as in --input 'jsonl:corpus/*.jsonl.gz'")
    parsed = [parse_spec(spec, options) for spec in specs]
    check_distinct(parsed)
    return parsed


def check_distinct(specs: Sequence[InputSpec]) -> None:
    """Raise UserError when two inputs name the same file: it would be read twice."""
    seen: dict[tuple[str, str], str] = {}
    for spec in specs:
        for unit in spec.found.units:
            key = unit.kind, unit.path
            if key in seen:
                raise UserError(
                    f"inputs {seen[key]!r} and {spec.spec!r} both name {unit.path or spec.spec}: it would be read twice"
                )
            seen[key] = spec.spec


def parse_spec(spec: str, options: ReadOptions) -> InputSpec:
    """A SPEC (``jsonl:GLOB``, ``cldr:``, ...) checked before anything is read.

    Raises UserError for an unknown kind, a glob without files, a text file whose folder is no language, and a source
    name that cannot be one.
    """
    kind, colon, where = spec.partition(":")
    if not colon or kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"; nearest: {close[0]}:" if close else ""
        raise UserError(f"input {spec!r}: must be one of {', '.join(f'{k}:' for k in KINDS)} and a path{hint}")
    check_source(options.source or kind)
    found = KINDS[kind].find(where, options)
    return InputSpec(spec, kind, replace(options, origin=options.origin or found.origin), found)
