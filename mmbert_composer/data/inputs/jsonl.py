"""``jsonl:GLOB``: one JSON object a line, plain, ``.gz`` or ``.zst``."""

import json
from collections.abc import Iterator

from mmbert_composer.data.inputs.document import Record, Skipped
from mmbert_composer.data.inputs.fields import read_fields
from mmbert_composer.data.inputs.files import find_files
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.open_input import input_lines
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit


def find_jsonl(where: str, options: ReadOptions) -> Found:
    """The files that match ``where``."""
    return find_files("jsonl", where, options)


def read_jsonl(unit: InputUnit, options: ReadOptions) -> Iterator[Record]:
    """Every line of a file as a document, or why it is none. One bad line costs one line."""
    for number, line in input_lines(unit.path):
        yield _read_line(line, f"{unit.path}:{number}", unit, options)


def _read_line(line: bytes, where: str, unit: InputUnit, options: ReadOptions) -> Record:
    if not line.strip():
        return Skipped("empty line", where)
    try:
        fields = json.loads(line)
    except UnicodeDecodeError as error:
        return Skipped("invalid UTF-8", where, f"byte {error.start + 1} of the line")
    except (ValueError, RecursionError) as error:
        return Skipped("invalid JSON", where, str(error))
    if not isinstance(fields, dict):
        return Skipped("not a JSON object", where)
    return read_fields(fields, where, unit, options)


JSONL = InputKind("jsonl:GLOB (.gz, .zst)", find_jsonl, read_jsonl)
