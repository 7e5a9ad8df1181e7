"""Where the blocks of a run come from: a folder, or a remote with a cache on every node."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmbert_composer.errors import UserError

VERIFY = ("first_touch", "never")

LOCAL_REMOTE = "file://"
"""Of a path, where it means a remote: a mounted folder that is slow, or far away."""


@dataclass(frozen=True)
class DataSource:
    """What ``mmbert prepare`` wrote, and how it gets here."""

    root: str
    """The folder, or a remote that Streaming can read: ``s3://``, ``gs://``, ``hf://datasets/``, ``file://``, ..."""
    cache: str | None = None
    """Folder on every node for what is fetched from a remote."""
    cache_limit: int | None = None
    """Bytes of shards in the cache, beyond which those not used for longest are removed; None keeps them all."""
    download_retries: int = 5
    """Tries after the first one, each after a longer pause (1, 2, 4, ... at most 30 s)."""
    download_timeout: float = 60.0
    """Seconds that a try may take without an answer, where the kind of remote knows such a limit."""
    verify: Literal["first_touch", "never"] = "first_touch"
    """When a shard is compared with its hash: once a run and node, before its first block is read, or never."""

    def __post_init__(self) -> None:
        if self.verify not in VERIFY:
            raise UserError(f"data.verify={self.verify!r} must be one of {', '.join(VERIFY)}")
        if self.is_remote and self.cache is None:
            raise UserError(
                f"data.root={self.root} is a remote: set data.cache to a folder on every node for its shards"
            )
        if not self.is_remote and self.cache is not None:
            raise UserError(
                f"data.cache={self.cache} is set, but data.root={self.root} is a folder, which is read where it is; "
                f"write {LOCAL_REMOTE}{Path(self.root).absolute()} to copy its shards into the cache"
            )
        if self.cache_limit is not None and not self.is_remote:
            raise UserError(
                f"data.cache_limit is set, but data.root={self.root} is a folder: a shard removed to stay below the "
                f"limit would be the only copy. Remove data.cache_limit, or make data.root a remote with a data.cache"
            )

    @property
    def is_remote(self) -> bool:
        """Whether shards are fetched."""
        return "://" in self.root

    @property
    def folder(self) -> Path:
        """Where files are read on this node."""
        return Path(self.cache if self.cache is not None else self.root)

    def remote_of(self, name: str) -> str | None:
        """The address of a file or folder below the root; None where the root is a folder here."""
        if not self.is_remote:
            return None
        return f"{self.root.removeprefix(LOCAL_REMOTE).rstrip('/')}/{name}"


def as_source(root: str | Path | DataSource) -> DataSource:
    """A folder as a source; a source as it is."""
    return root if isinstance(root, DataSource) else DataSource(str(root))
