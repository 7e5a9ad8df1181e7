"""``jsonl:GLOB``: one JSON object a line, plain, ``.gz`` or ``.zst``."""

import json
from collections.abc import Iterator
from typing import Any

from mmbert_composer.data.inputs.document import Record, Skipped, as_document
from mmbert_composer.data.inputs.files import find_files
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.open_input import input_lines
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit


def find_jsonl(where: str, options: ReadOptions) -> Found:
    """The files that match ``where``."""
    return find_files("jsonl", where)


def read_jsonl(unit: InputUnit, options: ReadOptions) -> Iterator[Record]:
    """Every line of a file as a document, or why it is none. One bad line costs one line."""
    for number, line in input_lines(unit.path):
        yield _read_line(line, f"{unit.path}:{number}", options)


def _read_line(line: bytes, where: str, options: ReadOptions) -> Record:
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
    return read_fields(fields, where, "jsonl", options)


def read_fields(fields: dict[str, Any], where: str, kind: str, options: ReadOptions) -> Record:
    """A record's named fields as a document, or why they are none."""
    if fields.get(options.id_field) is not None:
        where = f"{where} (id {fields[options.id_field]})"
    text = fields.get(options.text_field)
    if text is None:
        return Skipped("no text field", where, f"no field {options.text_field!r}")
    if not isinstance(text, str):
        return Skipped("text is no string", where, f"field {options.text_field!r} is a {type(text).__name__}")
    language = fields.get(options.language_field) or options.language
    source = fields.get(options.source_field) or options.source or kind
    if not isinstance(language, str | None) or not isinstance(source, str):
        return Skipped("language or source is no string", where)
    return as_document(text, language, source, where, min_characters=options.min_characters)


JSONL = InputKind("jsonl:GLOB (.gz, .zst)", find_jsonl, read_jsonl)
