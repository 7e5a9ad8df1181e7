"""How readers find a document's fields."""

from dataclasses import dataclass

from mmbert_composer.errors import UserError

SPLITS = ("files", "paragraphs")


@dataclass(frozen=True)
class ReadOptions:
    """Options of ``mmbert prepare run`` and ``mmbert tokenizer train`` that concern reading."""

    text_field: str = "text"
    id_field: str = "id"
    """Names a record in messages; it need not exist."""
    language_field: str = "language"
    """Records without it go to the language ``und``."""
    source_field: str = "source"
    source: str | None = None
    """Source of documents that name none; None: the spec's kind ("jsonl")."""
    split: str = "files"
    """What a document of ``text:`` is: a whole file, or a paragraph (text between empty lines)."""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UserError(f"split={self.split!r} must be one of {', '.join(SPLITS)}")
