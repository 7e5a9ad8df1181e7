"""Which languages a result is averaged over."""

from collections.abc import Iterable
from pathlib import Path

LANGUAGES = Path(__file__).parent / "languages"
PIVOTS = ("est", "lav", "eus", "swa", "zul", "wol", "ewe", "quc", "acu")
"""What retrieval goes to and from: the languages of the pretrain phase that are written in the Latin script."""

GROUPS = ("pretrain", "extend", "decay: Bible", "decay: UDHR")
"""By the phase that the cascade meets a language in; those of the decay by how much text there is (some 300,000 tokens
with a New Testament, some 4,000 without)."""


def group_of(language: str, with_bible: Iterable[str]) -> str:
    """The group of a language; ``with_bible``: languages with a New Testament."""
    if language in read_codes("pretrain.txt"):
        return GROUPS[0]
    if language in read_codes("extend.txt"):
        return GROUPS[1]
    return GROUPS[2] if language in with_bible else GROUPS[3]


def read_codes(name: str) -> list[str]:
    """The codes in a file of ``languages/``."""
    lines = (LANGUAGES / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
