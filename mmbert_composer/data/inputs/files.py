"""Files of this machine and of others: by GLOB, by folder, and opened for reading.

A place with ``://`` (``s3://``, ``gs://``, ``hf://``, ``https://``, ``memory://``) is read by fsspec's file system of
that name, which takes its credentials from the environment; any other is a local path.
"""

import glob
import io
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mmbert_composer.data.inputs.input_kind import Found
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.data.languages import normalise_language
from mmbert_composer.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

TRIES = 5
"""Times that a read from another machine is tried; waits double from one second."""
BUFFER_BYTES = 1 << 22
COUNTED = re.compile(r"\{(?P<first>\d+)\.\.(?P<last>\d+)\}")
"""``{0000..0099}`` in a path: these numbers, for places that cannot list their files."""
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True)
class FoundFile:
    """A file that a listing gave."""

    path: str
    """Absolute path, or URL."""
    size: int
    identity: str
    """Size with what tells two contents of that size apart: a checksum or a modification time."""


def is_remote(where: str) -> bool:
    """Whether ``where`` is a URL."""
    return "://" in where


def find_files(kind: str, where: str, options: ReadOptions) -> Found:
    """The files that GLOB ``where`` matches as units of ``kind``, by path, with the language of their folder if asked.

    Raises UserError when there is none, and for a folder that is no language.
    """
    files = [file for place in _counted(where) for file in list_glob(f"{kind}:{place}", place)]
    return Found(
        tuple(
            InputUnit(
                kind,
                file.path,
                file.size,
                file.identity,
                language=language_of_folder(file.path) if options.folder_language else None,
            )
            for file in files
        )
    )


def language_of_folder(path: str) -> str:
    """Stream code of the folder that a file lies in. Raises UserError, naming the file, when it is no language."""
    try:
        return normalise_language(path.split("/")[-2] if "/" in path else "")
    except UserError as error:
        raise UserError(
            f"file {path}: its folder names no language ({error}); name the folder after the language of its files, "
            "or und"
        ) from None


def _counted(where: str) -> list[str]:
    """``a-{08..10}`` as a-08, a-09, a-10; anything else as it is."""
    match = COUNTED.search(where)
    if match is None:
        return [where]
    first, last = match["first"], match["last"]
    numbers = range(int(first), int(last) + 1)
    return [f"{where[: match.start()]}{number:0{len(first)}d}{where[match.end() :]}" for number in numbers]


def list_glob(spec: str, where: str) -> list[FoundFile]:
    """The files that GLOB ``where`` matches, each once, by path. Raises UserError, naming ``spec``, without any."""
    if is_remote(where):
        # A single file is asked for by name: plain web servers cannot list.
        named = not glob.has_magic(where)
        files = _remote(where, _info if named else lambda system, path: system.glob(path, detail=True))
        is_folder = not files and _remote(where, lambda system, path: {path: {}} if system.isdir(path) else {})
    else:
        pattern = str(Path(where).expanduser()) if where else ""
        found = [pattern] if Path(pattern).is_file() else glob.glob(pattern, recursive=True)
        files = [_local(path) for path in sorted({Path(name).resolve() for name in found if Path(name).is_file()})]
        is_folder = not files and pattern and Path(pattern).is_dir()
    if files:
        return files
    if is_folder:
        raise UserError(f"input {spec!r}: {where} is a folder: name the files in it, as in {spec}/*")
    raise UserError(f"input {spec!r}: no file matches {where!r}")


def list_tree(spec: str, where: str) -> tuple[str, list[FoundFile]]:
    """A folder's own path, without a slash at its end, and all files below it, by path.

    Raises UserError, naming ``spec``, when it is no folder or holds nothing.
    """
    if is_remote(where):
        files = _remote(where, lambda system, path: system.find(path, detail=True))
        system, path = _file_system(where)
        root = str(system.unstrip_protocol(path)).rstrip("/")
    else:
        folder = Path(where).expanduser().absolute()
        files = [_local(Path(top) / name) for top, _, names in os.walk(folder, followlinks=True) for name in names]
        files.sort(key=lambda file: file.path)
        root = str(folder)
    if not where or not files:
        raise UserError(f"input {spec!r}: {where!r} is no folder with files in it")
    return root, files


def open_file(path: str | Path) -> IO[bytes]:
    """Open a local path or a URL for reading bytes, seekable; what breaks off on the way here is tried again."""
    if not is_remote(str(path)):
        return Path(path).open("rb")
    return io.BufferedReader(RemoteFile(str(path)), BUFFER_BYTES)


class RemoteFile(io.RawIOBase):
    """A file of another machine; a read that fails is tried again from where it was, up to five times in all.

    Object stores answer "slow down" and drop connections; a task of hours had better not fail on that.
    """

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = url
        self._sleep = sleep
        self._file: IO[bytes] | None = None
        self._position = 0
        self.size = int(self._tried(lambda file: file.seek(0, io.SEEK_END)))

    def readable(self) -> bool:
        """True: it is read and never written."""
        return True

    def seekable(self) -> bool:
        """True: parquet's footer is at the end."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Set the position; nothing is read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readinto(self, buffer: "Buffer", /) -> int:
        """Fill ``buffer`` from the position on, as far as the file goes; 0 at its end."""
        view = memoryview(buffer).cast("B")
        position = self._position

        def read(file: IO[bytes]) -> bytes:
            file.seek(position)
            return file.read(len(view))

        data = self._tried(read)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the connection too."""
        self._drop()
        super().close()

    def _tried(self, action: Callable[[IO[bytes]], Any]) -> Any:
        for attempt in range(TRIES):
            try:
                file = self._file or self._open()
                return action(file)
            except _FINAL:
                raise
            except Exception as error:
                # Every file system raises its own kinds of these; the last one is the message.
                self._drop()
                if attempt == TRIES - 1:
                    raise UserError(f"{self.url}: cannot be read, tried {TRIES} times ({_describe(error)})") from error
                self._sleep(2.0**attempt)
        raise AssertionError("unreachable")

    def _open(self) -> IO[bytes]:
        system, path = _file_system(self.url)
        self._file = file = system.open(path, "rb")
        return file

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _local(path: Path) -> FoundFile:
    stat = path.stat()
    return FoundFile(str(path), stat.st_size, f"{stat.st_size} bytes, mtime_ns {stat.st_mtime_ns}")


def _remote(where: str, listing: Callable[[Any, str], dict[str, dict[str, Any]]]) -> list[FoundFile]:
    system, path = _file_system(where)
    try:
        entries = listing(system, path)
    except FileNotFoundError:
        return []
    except Exception as error:
        raise UserError(f"{where} cannot be listed ({_describe(error)})") from error
    return [
        FoundFile(system.unstrip_protocol(name), entry.get("size") or 0, _remote_identity(entry))
        for name, entry in sorted(entries.items())
        if entry.get("type", "file") == "file"
    ]


def _info(system: Any, path: str) -> dict[str, dict[str, Any]]:
    entry = system.info(path)
    return {path: entry} if entry.get("type") == "file" else {}


def _remote_identity(entry: dict[str, Any]) -> str:
    size = f"{entry.get('size') or 0} bytes"
    for key in ("ETag", "etag", "blob_id", "md5Hash", "mtime", "LastModified", "updated", "created"):
        if entry.get(key):
            return f"{size}, {key} {entry[key]}"
    return size


def _file_system(where: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it. Raises UserError when there is none of that name."""
    import fsspec  # costs a quarter of a second, and most inputs are local

    try:
        return fsspec.url_to_fs(where)
    except (ImportError, ValueError) as error:
        raise UserError(f"{where}: no file system for this kind of place ({error})") from None


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
