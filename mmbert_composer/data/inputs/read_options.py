"""How readers find a document's fields, and what is known of the documents of one input."""

from dataclasses import dataclass, fields
from typing import Any

from mmbert_composer.data.inputs.record_filter import parse_condition
from mmbert_composer.errors import UserError

SPLITS = ("files", "paragraphs")


@dataclass(frozen=True)
class ReadOptions:
    """What concerns the reading of one input; several inputs of one ``prepare`` may have different ones."""

    text_field: str = "text"
    """Dots lead into nested fields: ``message.content``."""
    id_field: str = "id"
    """Names a record in messages; it need not exist."""
    language_field: str = "language"
    """Records without it go to ``language``."""
    source_field: str = "source"
    source: str | None = None
    """Source of documents that name none; None: the spec's kind ("jsonl")."""
    split: str = "files"
    """What a document of ``text:`` is: a whole file, or a paragraph (text between empty lines)."""
    language: str | None = None
    """Language of documents that name none; None: ``und``, or what the path says where it says one."""
    folder_language: bool = False
    """The folder that a file lies in names the language of its documents, as in ``text:``."""
    min_characters: int = 0
    """Shorter texts are dropped and counted, and are not bad lines."""
    filter: tuple[str, ...] = ()
    """Conditions on fields, all of which a record must meet: ``("language_score >= 0.8", "source == 'a'")``."""
    dtype: str | None = None
    """Type of the numbers in a ``bytes`` column of ``mds:``, which do not say it themselves: "uint16", "int64"."""
    folders: tuple[str, ...] = ()
    """For ``mds:``: ``GLOB=SOURCE`` or ``GLOB=SOURCE/LANGUAGE`` for folders below DIR; the first match counts."""
    revision: str | None = None
    """Commit or tag of ``hf:``."""
    dataset_split: str = "train"
    """Split of ``hf:``."""
    licence: str = ""
    """A note on the licence of the text."""
    origin: str = ""
    """Where the text is from, for the manifest and the model card: a dataset's name and revision."""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UserError(f"split={self.split!r} must be one of {', '.join(SPLITS)}")
        if self.min_characters < 0:
            raise UserError(f"min_characters={self.min_characters} must be at least 0")
        for condition in self.filter:
            parse_condition(condition)
        for rule in self.folders:
            if "=" not in rule:
                raise UserError(f"folder rule {rule!r} must be GLOB=SOURCE or GLOB=SOURCE/LANGUAGE")

    @property
    def token_field(self) -> str:
        """Column of ``mds:`` that holds the tokens: ``text_field`` where it is set, else input_ids."""
        return "input_ids" if self.text_field == "text" else self.text_field

    def to_json(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return {
            item.name: list(value) if isinstance(value, tuple) else value
            for item in fields(self)
            if (value := getattr(self, item.name)) != item.default
        }

    @staticmethod
    def from_json(content: dict[str, Any]) -> "ReadOptions":
        """The options that ``to_json`` gave ``content`` of."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        return ReadOptions(**plain)
