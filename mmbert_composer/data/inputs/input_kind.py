"""What a kind of input can do: find its pieces, cut large ones, read them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mmbert_composer.data.inputs.document import Record
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.data.inputs.unit import InputUnit


@dataclass(frozen=True)
class Found:
    """What a SPEC stands for at this moment."""

    units: tuple[InputUnit, ...]
    """Each as large as it comes: files, folders; in the order of their paths."""
    notes: tuple[str, ...] = ()
    """What a person should know: what was left out, and why."""
    origin: str = ""
    """Where the text is from, where finding it told that: a dataset of the hub and its commit."""


def whole(unit: InputUnit, task_bytes: int) -> list[InputUnit]:
    """The unit itself: no smaller piece of it can be read."""
    return [unit]


def cut(unit: InputUnit, sizes: Sequence[float], task_bytes: int) -> list[InputUnit]:
    """The unit as ranges of its parts, of ``sizes`` bytes each, with about ``task_bytes`` in a range."""
    pieces: list[InputUnit] = []
    begin, size = 0, 0.0
    for number, part in enumerate(sizes):
        if size and size + part > task_bytes:
            pieces.append(replace(unit, size=round(size), begin=begin, end=number))
            begin, size = number, 0.0
        size += part
    return [*pieces, replace(unit, size=round(size), begin=begin, end=len(sizes))] if pieces else [unit]


@dataclass(frozen=True)
class InputKind:
    """One kind of SPEC; ``where`` is what follows its colon."""

    describe: str
    """For ``--help``: ``jsonl:GLOB (.gz, .zst)``."""
    find: Callable[[str, ReadOptions], Found]
    """Raises UserError for a ``where`` that stands for nothing, before anything is read."""
    read: Callable[[InputUnit, ReadOptions], Iterator[Record]] | None = None
    """Every record of a unit, in the same order in any process; units in their order give the whole input."""
    read_tokens: Callable[[InputUnit, ReadOptions, TokenRules], Iterator[Record]] | None = None
    """In its place where the input holds tokens."""
    split: Callable[[InputUnit, int], list[InputUnit]] = whole
    """The unit as pieces of about so many bytes."""
    licence: str = ""
    """Of the text, where the kind alone says it."""
