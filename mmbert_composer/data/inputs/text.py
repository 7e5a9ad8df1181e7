"""``text:GLOB``: plain text files; the language is the name of the folder a file lies in."""

from collections.abc import Iterator
from dataclasses import replace

from mmbert_composer.data.inputs.document import Record, Skipped, as_document
from mmbert_composer.data.inputs.files import find_files
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.open_input import input_lines
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit


def find_text(where: str, options: ReadOptions) -> Found:
    """The files that match ``where``. Raises UserError unless the folder of each is named after a language."""
    return find_files("text", where, replace(options, folder_language=True))


def read_text(unit: InputUnit, options: ReadOptions) -> Iterator[Record]:
    """The documents of a file: the file, or its paragraphs. A line that is no UTF-8 is left out of its document."""
    path, language = unit.path, unit.language
    source = options.source or "text"
    lines: list[str] = []
    first = 0
    found = False
    for number, line in input_lines(path):
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            detail = f"byte {error.start + 1} of the line"
            yield Skipped("invalid UTF-8", f"{path}:{number}", detail, record=False)
            continue
        if text.strip() or options.split == "files":
            first = first or number
            lines.append(text)
        elif lines:
            yield as_document("\n".join(lines), language, source, f"{path}:{first}", len(lines), options.min_characters)
            lines, first, found = [], 0, True
    # A file without any text is said; empty lines after a file's last paragraph are not.
    if lines or not found:
        yield as_document(
            "\n".join(lines), language, source, f"{path}:{first or 1}", len(lines), options.min_characters
        )


TEXT = InputKind("text:GLOB (language = name of the folder)", find_text, read_text)
