"""A YAML of sources, one row each (``yamls/data/mmbert.yaml``), as inputs with their licences and origins."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mmbert_composer.data.inputs.files import COUNTED
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import KINDS, InputSpec, check_distinct, parse_spec
from mmbert_composer.errors import UserError


@dataclass(frozen=True)
class SourceRow:
    """One source; what is not said has the readers' default. Its name is the source of its documents."""

    kind: str
    """Kind of SPEC: "jsonl", "parquet", "fineweb2", "mds"."""
    hub: str | None = None
    """Dataset of the Hugging Face hub, read as files (``hf://datasets/NAME@REVISION/``)."""
    revision: str | None = None
    url: str | None = None
    """Another place that holds the files."""
    path: str | None = None
    """A local copy, laid out as the original; goes before ``hub`` and ``url``."""
    files: str = ""
    """GLOB inside of the place; ``{0000..0099}`` counts where a server cannot list. In a local copy it is a ``*``."""
    origin: str | None = None
    """Where the text is from, for people; None: the hub's name with the revision, or the URL."""
    licence: str = ""
    text_field: str = "text"
    id_field: str = "id"
    language_field: str = ""
    """"": the documents do not say their language."""
    language: str | None = None
    folder_language: bool = False
    filter: tuple[str, ...] = ()
    min_characters: int = 0
    dtype: str | None = None
    folders: tuple[str, ...] = ()

    def place(self, name: str, root: str | None) -> str | None:
        """Folder or URL that holds the files; None where nothing says it."""
        if self.path or root:
            return self.path or f"{root}/{name}"
        if self.hub:
            return f"hf://datasets/{self.hub}" + (f"@{self.revision}" if self.revision else "")
        return self.url

    def options(self, name: str) -> ReadOptions:
        """How its files are read."""
        hub = f"{self.hub}@{self.revision}" if self.revision else self.hub
        return ReadOptions(
            text_field=self.text_field,
            id_field=self.id_field,
            language_field=self.language_field,
            # Corpora have fields of this name that mean something else ("source": "s2orc/train").
            source_field="",
            source=name,
            language=self.language,
            folder_language=self.folder_language,
            filter=self.filter,
            min_characters=self.min_characters,
            dtype=self.dtype,
            folders=self.folders,
            licence=self.licence,
            origin=self.origin or hub or self.url or "",
        )


def parse_sources(path: str | Path, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> list[InputSpec]:
    """The inputs of a YAML of sources, all rows or ``only`` those named, in the order of the file.

    ``overrides``: ``sources.NAME.KEY=VALUE`` and ``root=FOLDER``. Raises UserError for unknown keys and names, for rows
    without a place, and as ``parse_spec`` does; nothing is read yet.
    """
    root, rows = load_sources(path, overrides)
    _check_names(path, only, rows)
    chosen = {name: row for name, row in rows.items() if name in only or not only}
    nowhere = [name for name, row in chosen.items() if row.place(name, root) is None]
    if nowhere:
        raise UserError(
            f"{path}: {', '.join(nowhere)}: not published as text; set sources.{nowhere[0]}.path=FOLDER to a copy, "
            "or choose others with --only"
        )
    specs = [parse_spec(_spec(name, row, root), row.options(name)) for name, row in chosen.items()]
    check_distinct(specs)
    return specs


def load_sources(path: str | Path, overrides: Sequence[str] = ()) -> tuple[str | None, dict[str, SourceRow]]:
    """``root`` and the rows of a YAML of sources. Raises UserError when it is none, naming the row and the key."""
    try:
        config = OmegaConf.create(Path(path).read_text(encoding="utf-8"))
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals:
                raise UserError(f"override {override!r} must be key=value, as in sources.dclm.path=/data/dclm")
            OmegaConf.update(config, key, yaml.safe_load(value))
        content = OmegaConf.to_container(config)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not isinstance(content.get("sources"), dict):
        raise UserError(f"{path}: no key sources: with a row for each source")
    unknown = sorted(map(str, content.keys() - {"sources", "root"}))
    if unknown:
        raise UserError(f"{path}: unknown key {unknown[0]!r}; a YAML of sources has root: and sources:")
    rows: dict[str, Any] = {str(name): row for name, row in content["sources"].items()}
    return content.get("root"), {name: _row(path, name, row) for name, row in rows.items()}


def _row(path: str | Path, name: str, row: Any) -> SourceRow:
    where = f"{path}: source {name!r}"
    known = [item.name for item in fields(SourceRow)]
    if not isinstance(row, Mapping) or "kind" not in row:
        raise UserError(f"{where} needs a kind: one of {', '.join(KINDS)}")
    for key in row:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            raise UserError(f"{where}: unknown key {str(key)!r}{f'; nearest: {close[0]}' if close else ''}")
    if row["kind"] not in KINDS:
        raise UserError(f"{where}: kind {row['kind']!r} must be one of {', '.join(KINDS)}")
    if row.get("hub") and row.get("url"):
        raise UserError(f"{where} has a hub and a url: one of them holds the files")
    values: dict[str, Any] = {
        str(key): tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    return SourceRow(**values)


def _spec(name: str, row: SourceRow, root: str | None) -> str:
    place = row.place(name, root)
    assert place is not None, "checked before"
    files = row.files if "://" in place else COUNTED.sub("*", row.files)
    return f"{row.kind}:{place.rstrip('/')}/{files}".rstrip("/")


def _check_names(path: str | Path, names: Sequence[str], rows: Mapping[str, SourceRow]) -> None:
    for name in names:
        if name not in rows:
            close = difflib.get_close_matches(name, rows, n=1)
            hint = f"; nearest: {close[0]}" if close else ""
            raise UserError(f"{path}: no source {name!r}{hint} (sources: {', '.join(rows)})")
