"""A record's named fields as a document: what the readers of tables and JSON share."""

from collections.abc import Mapping
from typing import Any

from mmbert_composer.data.inputs.document import Record, Skipped, as_document
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.record_filter import nested_field, parse_condition
from mmbert_composer.data.inputs.unit import InputUnit


def wanted_fields(options: ReadOptions) -> list[str]:
    """Names of the outermost fields that reading needs where they exist."""
    named = [options.text_field, options.id_field, options.language_field, options.source_field]
    named += [parse_condition(condition).field for condition in options.filter]
    return list(dict.fromkeys(part for name in named for part in (name, name.partition(".")[0])))


def read_fields(fields: Mapping[str, Any], where: str, unit: InputUnit, options: ReadOptions) -> Record:
    """The document in ``fields``, or why they are none. What the unit's path says goes before what the fields say."""
    identifier = nested_field(fields, options.id_field)
    if identifier is not None:
        where = f"{where} (id {identifier})"
    text = nested_field(fields, options.text_field)
    if text is None:
        return Skipped("no text field", where, f"no field {options.text_field!r}")
    if not isinstance(text, str):
        return Skipped("text is no string", where, f"field {options.text_field!r} is a {type(text).__name__}")
    language = unit.language or nested_field(fields, options.language_field) or options.language
    source = unit.source or nested_field(fields, options.source_field) or options.source or unit.kind
    if not isinstance(language, str | None) or not isinstance(source, str):
        return Skipped("language or source is no string", where)
    return _filtered(fields, where, options) or as_document(
        text, language, source, where, min_characters=options.min_characters
    )


def _filtered(fields: Mapping[str, Any], where: str, options: ReadOptions) -> Skipped | None:
    for text in options.filter:
        condition = parse_condition(text)
        try:
            if not condition.holds(fields):
                return Skipped(f"filter {condition.text}", where, bad=False)
        except LookupError:
            return Skipped("no field to filter by", where, f"no field {condition.field!r}")
        except TypeError as error:
            return Skipped("field of another type than the filter", where, f"{condition.text}: {error}")
    return None
