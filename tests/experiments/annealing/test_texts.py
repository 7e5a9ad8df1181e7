"""Reserved chapters are in no language's training text."""

import gzip
import json

import pytest

from experiments.annealing.texts import RESERVED_OUT_OF, is_reserved, make_texts
from mmbert_composer.errors import UserError


@pytest.fixture
def source(tmp_path):
    chapters = [f"b.MAT.{number}" for number in range(1, 80)]
    bible = [
        {"id": f"bible/{code}/{chapter}", "language": code, "source": "bible", "text": f"{code} one\n{code} two",
         "verses": [f"{chapter}.1", f"{chapter}.2"]}
        for code in ("est", "zul")
        for chapter in chapters
    ]  # fmt: skip
    udhr = [{"id": "udhr/est/1", "language": "est", "source": "udhr", "text": "inimesed"}]
    for name, rows in (("bible-nt", bible), ("udhr", udhr)):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return tmp_path


def test_a_chapter_is_either_trained_on_or_reserved_in_all_languages(source, tmp_path):
    texts = make_texts(source, tmp_path / "out")
    with gzip.open(texts.train, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    trained = {row["id"].rpartition("/")[2] for row in rows if row["id"].startswith("bible")}
    verses = json.loads(texts.verses.read_text(encoding="utf-8"))
    reserved = {verse.rpartition(".")[0] for verse in verses["est"]}
    assert reserved
    assert trained
    assert not reserved & trained
    assert len(reserved | trained) == 79
    assert verses["zul"].keys() == verses["est"].keys()
    assert {row["source"] for row in rows} == {"text"}
    assert sum(row["id"].startswith("udhr") for row in rows) == 1


def test_about_one_chapter_in_so_many_is_reserved():
    reserved = sum(is_reserved(f"b.X.{number}") for number in range(24_000))
    assert reserved == pytest.approx(24_000 / RESERVED_OUT_OF, rel=0.15)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"bible-nt\.jsonl\.gz is missing; --data names the folder"):
        make_texts(tmp_path, tmp_path / "out")
