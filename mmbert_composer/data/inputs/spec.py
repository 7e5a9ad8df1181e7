"""SPEC of an input, ``kind:where``, and the readers behind it."""

import difflib
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import babel

from mmbert_composer.data.inputs.cldr import read_cldr
from mmbert_composer.data.inputs.document import Record, check_source
from mmbert_composer.data.inputs.jsonl import read_jsonl
from mmbert_composer.data.inputs.parquet import read_parquet
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.text import check_text_file, read_text
from mmbert_composer.errors import UserError

FILE_READERS = {"jsonl": read_jsonl, "text": read_text, "parquet": read_parquet}
KINDS = (*FILE_READERS, "cldr")


@dataclass(frozen=True)
class InputSpec:
    """One ``--input``: its kind, and the files it stands for at the time of parsing."""

    spec: str
    kind: str
    files: tuple[Path, ...] = ()

    def read(self, options: ReadOptions) -> Iterator[Record]:
        """Every record of every file, in the order of the files' names."""
        if self.kind == "cldr":
            yield from read_cldr(options.source or "cldr")
        for file in self.files:
            yield from FILE_READERS[self.kind](file, options)

    def identity(self) -> dict[str, Any]:
        """What has to stay the same for a rerun to continue: names, sizes and modification times."""
        if self.kind == "cldr":
            return {"spec": self.spec, "babel": babel.__version__}
        stats = [(file, file.stat()) for file in self.files]
        return {
            "spec": self.spec,
            "files": [{"path": str(file), "size": s.st_size, "mtime_ns": s.st_mtime_ns} for file, s in stats],
        }


def parse_inputs(specs: Sequence[str], options: ReadOptions) -> list[InputSpec]:
    """Every SPEC parsed and checked. Raises UserError when there is none, and when two name the same file."""
    if not specs:
        raise UserError("no input: name at least one, as in --input 'jsonl:corpus/*.jsonl.gz'")
    parsed = [parse_spec(spec, options) for spec in specs]
    seen: dict[Path | str, str] = {}
    for spec in parsed:
        for item in spec.files or (spec.spec,):
            if item in seen:
                raise UserError(f"inputs {seen[item]!r} and {spec.spec!r} both name {item}: it would be read twice")
            seen[item] = spec.spec
    return parsed


def parse_spec(spec: str, options: ReadOptions) -> InputSpec:
    """``jsonl:GLOB``, ``text:GLOB``, ``parquet:GLOB`` or ``cldr:``, checked before anything is read.

    Raises UserError for an unknown kind, a glob without files, a text file whose folder is no language, and a source
    name that cannot be one.
    """
    kind, colon, where = spec.partition(":")
    if not colon or kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"; nearest: {close[0]}:" if close else ""
        raise UserError(f"input {spec!r}: must be one of {', '.join(f'{k}:' for k in KINDS)} and a path{hint}")
    check_source(options.source or kind)
    if kind == "cldr":
        if where:
            raise UserError(f"input {spec!r}: cldr: takes nothing after the colon")
        return InputSpec(spec, kind)
    files = _files(spec, where)
    if kind == "text":
        for file in files:
            check_text_file(file)
    return InputSpec(spec, kind, files)


def _files(spec: str, where: str) -> tuple[Path, ...]:
    pattern = str(Path(where).expanduser()) if where else ""
    found = [pattern] if Path(pattern).is_file() else glob.glob(pattern, recursive=True)
    files = tuple(sorted({Path(name).resolve() for name in found if Path(name).is_file()}))
    if files:
        return files
    if pattern and Path(pattern).is_dir():
        raise UserError(f"input {spec!r}: {pattern} is a folder: name the files in it, as in {spec}/*")
    raise UserError(f"input {spec!r}: no file matches {pattern!r}")
