"""A piece of input that is read as a whole: what a plan freezes and a task reads."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class InputUnit:
    """A file, a range of a parquet's row groups, an MDS folder's shards, ...; plain values, so that JSON holds it."""

    kind: str
    """Kind of its SPEC: "jsonl", "parquet", ..."""
    path: str
    """Absolute path or URL of a file or folder; the name of a dataset; what follows ``cldr:``."""
    size: int
    """Bytes to read, compressed as they lie there; an estimate where only a range of the file is meant."""
    identity: str
    """Another one means another content: size and modification time, a remote file's checksum or revision."""
    begin: int = 0
    """First row group or shard of the range."""
    end: int | None = None
    """One past the last of the range; None where the unit is the whole path."""
    source: str | None = None
    """Source of all its documents where the path tells it; None: the options or the documents tell."""
    language: str | None = None
    """Stream code of all its documents where the path or the options tell it; None: the documents tell."""

    @property
    def name(self) -> str:
        """For people: ``file.parquet[4:8]``."""
        return self.path if self.end is None else f"{self.path}[{self.begin}:{self.end}]"

    def to_json(self) -> dict[str, Any]:
        """Its fields that differ from their defaults."""
        defaults = {item.name: item.default for item in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    @staticmethod
    def from_json(content: dict[str, Any]) -> "InputUnit":
        """The unit that ``to_json`` gave ``content`` of."""
        return InputUnit(**content)
