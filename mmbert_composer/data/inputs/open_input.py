"""Input files as bytes, uncompressed on the way."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from mmbert_composer.errors import UserError

_BOM = b"\xef\xbb\xbf"


def open_input(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open ``path`` for reading bytes; ``.gz`` and ``.zst`` are uncompressed."""
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix in {".zst", ".zstd"}:
        # One file may be several frames end to end, as parallel compressors write them.
        stream = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
        return io.BufferedReader(stream, 1 << 20)
    return path.open("rb")


def input_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines of ``path`` numbered from 1, without their newline.

    Raises UserError naming the line after which compressed data ends or breaks off.
    """
    number = 0
    try:
        with open_input(path) as file:
            for number, line in enumerate(file, 1):
                line = line.removesuffix(b"\n")
                yield number, line.removeprefix(_BOM) if number == 1 else line
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise UserError(
            f"{path}: compressed data is damaged after line {number} ({error}): get the file again"
        ) from None
