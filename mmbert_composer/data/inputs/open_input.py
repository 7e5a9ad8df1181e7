"""Input files as bytes, uncompressed on the way."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import zstandard

from mmbert_composer.data.inputs.files import open_file
from mmbert_composer.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

READ_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"


@contextmanager
def open_input(path: str | Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a local path or a URL for reading bytes; ``.gz`` and ``.zst`` are uncompressed."""
    name = str(path)
    with open_file(path) as file:
        if name.endswith((".gz", ".zst", ".zstd")) and not file.read(1):
            # An empty text of this kind has some bytes; none at all is a download that never began.
            raise EOFError("the file is empty")
        file.seek(0)
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=file, mode="rb") as unzipped:
                yield unzipped
        elif name.endswith((".zst", ".zstd")):
            with io.BufferedReader(ZstdFile(file), 1 << 20) as unzipped:
                yield unzipped
        else:
            yield file


class ZstdFile(io.RawIOBase):
    """Reads one or several zstd frames end to end, as parallel compressors write them.

    Unlike zstandard's own stream_reader it raises EOFError where the last frame breaks off, instead of ending there.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._ready = b""

    def readable(self) -> bool:
        """True: it is read and never written."""
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        """Fill ``buffer`` as far as what is ready goes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        while not self._ready:
            rest = self._frame.unused_data if self._frame is not None and self._frame.eof else b""
            data = rest or self._file.read(READ_BYTES)
            if not data:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("the last frame breaks off")
                return 0
            frame = self._frame
            if frame is None or frame.eof:
                frame = self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = frame.decompress(data)
        size = min(len(view), len(self._ready))
        view[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def input_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
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
