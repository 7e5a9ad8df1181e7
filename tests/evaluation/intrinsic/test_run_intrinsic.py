"""The intrinsic tasks on a trained tiny run, its prepared data and its text; and on a model of another tokenizer."""

import json
import shutil
from pathlib import Path

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.intrinsic.run_intrinsic import MEASURES, run_intrinsic
from mmbert_composer.evaluation.result_file import read_result, write_result
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.tasks.intrinsic import INTRINSIC
from tests.conftest import LANGUAGES, read_jsonl, tiny_documents

pytest_plugins = ("tiny_models",)

TASKS = {task.name: task for task in INTRINSIC}


@pytest.fixture
def text(tmp_path):
    """All of the run's text, trained on or held out, as prepared; and one language that is new."""
    documents = tiny_documents()
    documents += [{"text": f"nothing like it, number {n}", "language": "gle", "source": "new"} for n in range(4)]
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "all.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    return folder


@pytest.fixture
def settings(tmp_path):
    return Settings(folder=tmp_path / "results", say=lambda line: None)


def measure(name, model, data, settings):
    return run_intrinsic(TASKS[name], Path(model), data, settings)


def test_every_row_has_a_function():
    assert set(TASKS) == set(MEASURES)


def test_on_blocks_it_is_the_loss_of_the_run(finished_run, tiny_data, settings):
    result = measure("masked_loss", finished_run / "hf", tiny_data, settings)
    line = [row for row in read_jsonl(finished_run / "metrics.jsonl") if row.get("event") == "eval"][-1]
    # The run looks at two blocks of a stream, of those languages that it draws from.
    own = {name.split("/")[1]: stream for name, stream in line["streams"].items()}
    same = [name for name in own if result.by_language[name].n == own[name]["masked"]]
    assert same
    for name in same:
        assert result.by_language[name].score == pytest.approx(own[name]["loss"], abs=1e-4)
    assert set(result.by_language) == set(LANGUAGES)
    assert result.extra["by_script"] == {"Latin": pytest.approx(result.extra["per_masked_token"])}
    assert result.note.startswith("held out, blocks as in training")


def test_on_text_what_was_trained_on_is_said(finished_run, tiny_data, text, settings):
    result = measure("masked_loss", finished_run / "hf", text, settings)
    assert set(result.by_language) == {*LANGUAGES, "gle"}
    assert result.extra["trained_documents"] == 0  # every stream has held-out documents, and those were taken
    assert result.note.startswith("held out; nats")
    assert result.extra["documents"] < 4 + 16 * len(LANGUAGES)
    shutil.copytree(finished_run / "hf", settings.folder / "elsewhere")
    unknown = measure("masked_loss", settings.folder / "elsewhere", text, settings)
    assert unknown.note.startswith("not known whether it was held out")
    assert unknown.extra["trained_documents"] is None
    named = Settings(folder=settings.folder, trained_on=tiny_data, say=print)
    assert measure("masked_loss", settings.folder / "elsewhere", text, named).score == result.score


def test_a_stream_that_was_all_trained_on(finished_run, tiny_data, tmp_path, settings):
    from mmbert_composer.evaluation.training_texts import TrainingTexts

    known = TrainingTexts(tiny_data)
    documents = tiny_documents()
    from xxhash import xxh64_intdigest

    seen = known.trained([xxh64_intdigest(d["text"].encode()) for d in documents])
    out = known.held_out([xxh64_intdigest(d["text"].encode()) for d in documents])
    assert (seen ^ out).all()
    rows = [d for d, trained in zip(documents, seen, strict=True) if trained and d["language"] == "fra"][:5]
    (tmp_path / "fra.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = measure("masked_loss", finished_run / "hf", tmp_path / "fra.jsonl", settings)
    assert result.note.startswith("not held out: 5 of 5 documents were trained on")


def test_a_model_of_another_tokenizer_reads_prepared_data(tiny_model, tiny_tokenizer, tiny_data, settings, tmp_path):
    tiny_model(0).save_pretrained(tiny_tokenizer)
    result = measure("masked_loss", tiny_tokenizer, tiny_data, settings)
    assert set(result.by_language) == set(LANGUAGES)
    assert result.extra["forward"] == "padded"
    assert result.extra["bits_per_byte"] > 0


def test_language_id(finished_run, text, settings):
    # Every language of the tiny text has letters of its own.
    result = measure("language_id", finished_run / "hf", text, settings)
    assert result.score > 50
    assert result.extra["left_out"] == []
    assert result.extra["languages"] == len(LANGUAGES) + 1
    assert "not held out" in result.note
    path = write_result(settings.folder, result)
    assert read_result(path) == result


def test_verse_retrieval(finished_run, tmp_path, settings):
    names = [f"v{n}" for n in range(12)]
    lines = [f"{'abcdefghijkl'[n] * 3} line {n}" for n in range(12)]
    rows = [
        {"text": "\n".join(lines), "language": language, "verses": names, "source": "b"}
        for language in ("eng", "deu", "swh")
    ]
    rows[2]["text"] = "\n".join(reversed(lines))
    (tmp_path / "verses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = measure("verse_retrieval", finished_run / "hf", tmp_path / "verses.jsonl", settings)
    assert {name: score.score for name, score in result.by_language.items()} == {"deu": 100.0, "swh": 0.0}
    assert (result.score, result.by_language["deu"].n) == (50.0, 12)
    only = Settings(folder=settings.folder, languages=("deu",), say=print)
    assert set(measure("verse_retrieval", finished_run / "hf", tmp_path, only).by_language) == {"deu"}


def test_refusals(finished_run, tmp_path, text, settings):
    with pytest.raises(UserError, match="masked_loss: --data DIR is needed"):
        measure("masked_loss", finished_run / "hf", None, settings)
    with pytest.raises(UserError, match="has `verses`"):
        measure("verse_retrieval", finished_run / "hf", text, settings)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no \\*.jsonl"):
        measure("masked_loss", finished_run / "hf", tmp_path / "empty", settings)
