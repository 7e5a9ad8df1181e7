"""Bitexts from verses and from Tatoeba's files."""

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.aligned_texts import (
    find_tatoeba,
    read_tatoeba,
    read_verses,
    verse_bitexts,
)
from mmbert_composer.evaluation.intrinsic.text_documents import TextDocument


def chapter(language, first, last):
    names = tuple(f"v{n}" for n in range(first, last))
    return TextDocument("\n".join(f"{language} {name}" for name in names), language, "b", names)


def test_shared_verses_against_english():
    documents = [chapter("eng", 0, 5), chapter("eng", 5, 9), chapter("deu", 3, 12), chapter("swh", 20, 22)]
    verses = read_verses([*documents, TextDocument("no verses", "deu", "b")])
    (bitext,) = verse_bitexts(verses, 4)
    assert bitext.language == "deu"
    assert len(bitext.source) == 4
    assert all(s.split()[1] == t.split()[1] for s, t in zip(bitext.source, bitext.target, strict=True))
    assert {t.split()[0] for t in bitext.target} == {"eng"}
    (everything,) = verse_bitexts(verses, 100)
    assert sorted(everything.source) == [f"deu v{n}" for n in range(3, 9)]


def test_without_english_the_largest_is_the_pivot():
    verses = read_verses([chapter("fin", 0, 3), chapter("deu", 0, 9), chapter("swh", 0, 2)])
    assert [(b.language, b.target[0].split()[0]) for b in verse_bitexts(verses, 9)] == [("fin", "deu"), ("swh", "deu")]


def test_lines_and_verses_must_agree():
    with pytest.raises(UserError, match=r"a document of b/deu has 1 lines and 2 verses \(a \.\.\.\)"):
        read_verses([TextDocument("one line", "deu", "b", ("a", "b"))])
    with pytest.raises(UserError, match="two are needed"):
        verse_bitexts({"eng": {"a": "x"}}, 5)


def test_tatoeba_files(tmp_path):
    folder = tmp_path / "tatoeba"
    folder.mkdir()
    (folder / "tatoeba.deu-eng.deu").write_text("eins\nzwei\n")
    (folder / "tatoeba.deu-eng.eng").write_text("one\ntwo\n")
    found = find_tatoeba(tmp_path)
    assert list(found) == ["deu"]
    bitext = read_tatoeba("deu", found["deu"])
    assert (bitext.language, list(bitext.source), list(bitext.target)) == ("deu", ["eins", "zwei"], ["one", "two"])
    (folder / "tatoeba.deu-eng.eng").write_text("one\n")
    with pytest.raises(UserError, match=r"tatoeba.deu-eng.deu has 2 lines and tatoeba.deu-eng.eng 1: not aligned"):
        read_tatoeba("deu", found["deu"])
    (folder / "tatoeba.deu-eng.deu").unlink()
    with pytest.raises(UserError, match=r"is there, but tatoeba.deu-eng.deu beside it is not"):
        find_tatoeba(folder)
