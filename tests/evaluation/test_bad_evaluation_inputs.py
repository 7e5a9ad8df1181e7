"""What evaluation refuses, before anything is trained, and what it says."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoModelForMaskedLM

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import BY_NAME, choose_tasks
from mmbert_composer.evaluation.baselines import find_model
from mmbert_composer.evaluation.run_suite import run_suite
from mmbert_composer.evaluation.settings import Settings
from tests.evaluation.tiny_benchmarks import write_benchmarks


@pytest.fixture
def refused(tmp_path):
    """A function that runs a task on a model and data and returns the error's text; nothing may have been tuned."""

    def run(task, model, data, **settings):
        said = []
        how = Settings(folder=tmp_path / "out", tasks=(BY_NAME[task],), say=said.append)
        with pytest.raises(UserError) as caught:
            run_suite(model, "m", data, replace(how, **settings))
        assert said == []
        return str(caught.value)

    return run


@pytest.fixture
def model(tiny_encoder, tmp_path):
    """A copy of the tiny encoder to spoil, with a function that changes one of its JSON files."""
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "model"))

    def change(file, **values):
        path = folder / file
        content = json.loads(path.read_text())
        content.update(values)
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))

    return folder, change


@pytest.fixture
def data(tmp_path):
    """Rows of a few tasks, with a function that changes one row of one file."""
    names = ("sst2", "squad", "wikiann", "stsb", "xcopa")
    folder = write_benchmarks(tmp_path / "data", [replace(BY_NAME[name], languages=("en",)) for name in names])

    def change(file, row, **values):
        path = folder / file
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[row].update(values)
        rows[row] = {key: value for key, value in rows[row].items() if value is not ...}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return folder, change


@pytest.mark.parametrize(
    ("task", "file", "values", "message"),
    [
        (
            "sst2",
            "nyu-mll/glue/sst2/train.jsonl",
            {"label": 2},
            "train, row 3: label 2 is not in the map; known are 0 negative, 1 positive",
        ),
        ("sst2", "nyu-mll/glue/sst2/validation.jsonl", {"label": -1}, "validation, row 3: label -1 is not in the map"),
        (
            "sst2",
            "nyu-mll/glue/sst2/train.jsonl",
            {"sentence": ...},
            "row 3: no column 'sentence'; found: id, idx, label",
        ),
        ("sst2", "nyu-mll/glue/sst2/train.jsonl", {"sentence": 7}, "row 3: sentence is 7, not text"),
        ("stsb", "nyu-mll/glue/stsb/train.jsonl", {"label": "high"}, "row 3: label is 'high', not a number"),
        (
            "wikiann",
            "google/xtreme/PAN-X.en/test.jsonl",
            {"ner_tags": [0]},
            "tokens and ner_tags are not lists of one length",
        ),
        (
            "wikiann",
            "google/xtreme/PAN-X.en/train.jsonl",
            {"tokens": ["a"], "ner_tags": [7]},
            "label 7 is not in the map; known are 0 O, 1 B-PER",
        ),
        (
            "squad",
            "rajpurkar/squad/plain_text/train.jsonl",
            {"answers": {"text": [], "answer_start": []}},
            "with one answer or more",
        ),
        (
            "squad",
            "rajpurkar/squad/plain_text/train.jsonl",
            {"answers": {"text": ["x"], "answer_start": [9999]}},
            "answer 'x' starts at 9999, the context has",
        ),
        ("xcopa", "aps/super_glue/copa/train.jsonl", {"question": ...}, "task copa: .*no column 'question'"),
    ],
)
def test_rows(refused, tiny_encoder, data, task, file, values, message):
    folder, change = data
    change(file, 2, **values)
    text = refused(task, tiny_encoder, folder, languages=("en",) if task == "wikiann" else None)
    assert re.search(message, text), text


def test_a_split_that_is_not_there(refused, tiny_encoder, data):
    folder, _ = data
    (folder / "nyu-mll/glue/sst2/validation.jsonl").rename(folder / "nyu-mll/glue/sst2/dev.jsonl")
    text = refused("sst2", tiny_encoder, folder)
    assert "sst2 has no split 'validation'" in text
    assert "found: dev.jsonl, train.jsonl" in text
    assert "--data nowhere: no such folder" in refused("sst2", tiny_encoder, Path("nowhere"))


def test_what_several_tasks_lack_is_said_together(tiny_encoder, data, tmp_path):
    tasks = choose_tasks(["glue"], ["cola", "mrpc"])
    with pytest.raises(UserError, match=r"nothing was run:\n  task cola: .*\n  task mrpc: "):
        run_suite(tiny_encoder, "m", data[0], Settings(folder=tmp_path / "o", tasks=tasks, say=lambda line: None))


def test_a_tokenizer_that_emits_token_types(refused, model, data):
    folder, change = model
    change("tokenizer_config.json", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    text = refused("sst2", folder, data[0])
    assert "emits token_type_ids, which ModernBertForSequenceClassification does not take" in text
    assert '"model_input_names": ["input_ids", "attention_mask"] in tokenizer_config.json' in text


def test_no_pad_token(refused, model, data):
    folder, change = model
    change("tokenizer_config.json", pad_token=...)
    change("special_tokens_map.json", pad_token=...)
    assert "the model has no pad token; set it in tokenizer_config.json" in refused("sst2", folder, data[0])


def test_no_pad_id_in_the_config(refused, model, data):
    folder, change = model
    change("config.json", pad_token_id=None)
    assert "the model has no pad token; set it in config.json (pad_token_id)" in refused("sst2", folder, data[0])


def test_inputs_longer_than_the_model_takes(refused, model, data, tmp_path):
    folder, change = model
    change("config.json", max_position_embeddings=64)
    text = refused("sst2", folder, data[0])
    assert "task sst2: inputs of 128 tokens" in text
    assert "takes at most 64; --max-length 64 cuts" in text
    how = Settings(folder=tmp_path / "cut", tasks=(BY_NAME["sst2"],), max_length=64, epochs=(1,), say=lambda line: None)
    (result,) = run_suite(folder, "m", data[0], how).results
    assert result.hyperparameters["max_length"] == 64
    assert result.settings["max_length"] == 64


def test_a_tokenizer_of_another_model(refused, model, data):
    folder, _ = model
    small = AutoModelForMaskedLM.from_pretrained(folder)
    small.resize_token_embeddings(64)
    small.save_pretrained(folder)
    assert "tokens, the model's embedding 64 rows" in refused("sst2", folder, data[0])


def test_models_that_are_not_there(tmp_path, tiny_encoder):
    with pytest.raises(UserError, match=r"no config.json of a transformers model in it; mmbert export"):
        find_model(str(tmp_path))
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"did you mean .*/hf\?"):
        find_model(str(tmp_path))
    with pytest.raises(
        UserError, match=r"neither a folder, nor org/name on the hub, nor a known name; did you mean xlm-r?"
    ):
        find_model("xlmr")
    with pytest.raises(UserError, match="runs code from its repository; look at it and add --trust-remote-code"):
        find_model("mgte")
    with pytest.raises(UserError, match="FacebookAI/xlm-roberta-base: neither on the hub nor in its cache"):
        find_model("xlm-r")
    assert find_model(str(tiny_encoder)) == (tiny_encoder, "tiny")
    assert find_model(str(tmp_path / "hf"))[1] == f"{tmp_path.name}-hf"


@pytest.mark.parametrize(
    ("suites", "tasks", "message"),
    [
        (["gleu"], [], "--suite: there is no 'gleu'; did you mean glue?"),
        (["glue"], ["xnli"], "--tasks: xnli is of the suite xtreme; add it to --suite"),
        ([], ["mnl"], "--tasks: there is no 'mnl'; did you mean mnli?"),
        ([], [], "say what to run: --suite with some of glue, xtreme"),
    ],
)
def test_tasks_that_are_not_there(suites, tasks, message):
    with pytest.raises(UserError, match=message):
        choose_tasks(suites, tasks)
