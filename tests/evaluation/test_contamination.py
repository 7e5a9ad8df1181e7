"""Evaluation texts among the training documents, in every layout that evaluation data has."""

import gzip
import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet
import pytest
from xxhash import xxh64_intdigest

from mmbert_composer.cli.eval_contamination import contamination
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.contamination import contamination_note, find_contamination
from mmbert_composer.evaluation.training_texts import TrainingTexts, training_data_of
from tests.conftest import tiny_documents


@pytest.fixture(scope="module")
def sides(tiny_data):
    """Training documents and held-out ones of the tiny data."""
    training = TrainingTexts(tiny_data)
    documents = tiny_documents()
    trained = training.trained([xxh64_intdigest(document["text"].encode()) for document in documents])
    return (
        training,
        [document for document, seen in zip(documents, trained, strict=True) if seen],
        [document for document, seen in zip(documents, trained, strict=True) if not seen],
    )


def test_every_layout(sides, tmp_path):
    training, trained, held_out = sides
    first, second = trained[0]["text"], trained[1]["text"]
    with gzip.open(tmp_path / "sib.jsonl.gz", "wt") as file:
        file.writelines(
            json.dumps({"text": text, "label": "x"}) + "\n" for text in (f" {first}\n", second, second, "?")
        )
    (tmp_path / "xquad").mkdir()
    paragraph = {"context": held_out[0]["text"], "qas": [{"question": first, "answers": [{"text": "no"}]}]}
    (tmp_path / "xquad" / "xquad.en.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    (tmp_path / "tatoeba.deu-eng.deu").write_text(f"{second}\nnew\n")
    pyarrow.parquet.write_table(pa.table({"premise": [first[:-1]], "tokens": [[second]]}), tmp_path / "a.parquet")
    (tmp_path / "SOURCES.md").write_text(first)
    found, unread = find_contamination(training, tmp_path)
    counts = {file.file: (file.texts, file.trained, file.held_out) for file in found}
    assert counts == {
        "a.parquet": (2, 1, 0),  # one text lacks a letter
        "sib.jsonl.gz": (4, 2, 0),
        "tatoeba.deu-eng.deu": (2, 1, 0),
        "xquad/xquad.en.json": (3, 1, 1),
    }
    assert unread == ["SOURCES.md"]
    assert contamination_note(found, most=1) == [
        "contamination: 1 of 2 texts of a.parquet were trained on",
        "contamination: and in 3 more files",
    ]
    clean = [replace(file, trained=0) for file in found]
    assert contamination_note(clean) == ["contamination: none of 11 texts is a training document"]
    (sib,) = (file for file in found if file.file.startswith("sib"))
    assert sum(sib.streams.values()) == 2
    assert f"tiny/{trained[0]['language']}" in sib.streams
    assert sib.examples == (first[:80], second[:80])


def test_command(sides, tiny_data, tmp_path, capsys):
    _, trained, _ = sides
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text(json.dumps({"text": trained[0]["text"]}) + "\n")
    contamination(tiny_data, data=tmp_path / "data", json=tmp_path / "found.json")
    shown = capsys.readouterr().out
    assert "a.jsonl" in shown
    assert "Not seen: texts that are a part of a document" in shown
    content = json.loads((tmp_path / "found.json").read_text())
    assert content["files"][0]["trained"] == 1


def test_refusals(sides, tiny_data, tmp_path):
    training, _, _ = sides
    with pytest.raises(UserError, match="no evaluation data in it"):
        find_contamination(training, tmp_path)
    with pytest.raises(UserError, match="absent: no such folder"):
        find_contamination(training, tmp_path / "absent")
    shutil.copytree(tiny_data, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / ".prepare")
    with pytest.raises(UserError, match="the hashes of its documents are not there"):
        TrainingTexts(tmp_path / "copy")


def test_the_data_of_a_run(finished_run, tiny_data, tmp_path):
    assert training_data_of(finished_run / "hf") == tiny_data
    assert training_data_of(finished_run) == tiny_data
    assert training_data_of(tmp_path) is None
