"""Documents from JSON lines, and a sample that depends on the texts alone."""

import gzip
import json
import random

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.text_documents import (
    TextDocument,
    read_documents,
    sample_by_stream,
    text_files,
)


def write(path, records):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def test_reads_what_has_text_and_language(tmp_path):
    write(tmp_path / "mine.jsonl.gz", [{"text": " one ", "language": "de"}, {"text": "", "language": "de"}])
    write(tmp_path / "other.jsonl", [{"text": "two", "language": "swh", "source": "web", "verses": ["a"]}])
    write(tmp_path / "triples.jsonl", [{"query": "no text"}])
    files = text_files(tmp_path)
    assert [path.name for path in files] == ["mine.jsonl.gz", "other.jsonl"]
    assert list(read_documents(files)) == [
        TextDocument("one", "deu", "mine"),
        TextDocument("two", "swh", "web", ("a",)),
    ]


def test_refusals(tmp_path):
    write(tmp_path / "triples.jsonl", [{"query": "no text"}])
    with pytest.raises(UserError, match=r"fields text and language .*found: triples.jsonl"):
        text_files(tmp_path)
    (tmp_path / "broken.jsonl").write_text('{"text": "a", "language": "eng"}\n{"text"\n')
    with pytest.raises(UserError, match=r"broken\.jsonl:2: no JSON"):
        list(read_documents([tmp_path / "broken.jsonl"]))


def test_the_sample_is_of_the_texts():
    documents = [TextDocument(f"text {n % 90}", "eng", "web") for n in range(180)]
    documents += [TextDocument(f"text {n}", "deu", "web") for n in range(3)]
    sample = sample_by_stream(documents, 5)
    assert [len(group) for group in sample.values()] == [3, 5]
    lowest = sorted({document.hash for document in documents if document.language == "eng"})[:5]
    assert [document.hash for document in sample["web/eng"]] == lowest
    random.Random(1).shuffle(documents)
    assert sample_by_stream(documents, 5) == sample
