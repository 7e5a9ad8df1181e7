"""One loader: the hub's schema in a folder, flat files, and what is said of what is not there."""

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.data.load_rows import load_rows, task_languages, training_rows
from mmbert_composer.evaluation.settings import Settings
from tests.evaluation.tiny_benchmarks import make_rows, write_flat_xquad

SST2 = BY_NAME["sst2"]


def put(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines)


ROWS = [{"sentence": f"s{n}", "label": n % 2} for n in range(6)]


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz", "train.parquet", "train/0.parquet"])
def test_every_form_gives_the_same_rows(tmp_path, name):
    put(tmp_path / "nyu-mll/glue/sst2" / name, ROWS)
    assert load_rows(SST2, "train", "en", tmp_path) == ROWS


def test_parts_of_a_split_come_in_order(tmp_path):
    for part in (0, 1):
        put(tmp_path / f"nyu-mll/glue/sst2/train-0000{part}-of-00002.parquet", ROWS[part * 3 : part * 3 + 3])
    assert load_rows(SST2, "train", "en", tmp_path) == ROWS


def test_a_missing_split_is_named_with_what_was_found(tmp_path):
    put(tmp_path / "nyu-mll/glue/sst2/test.jsonl", ROWS)
    with pytest.raises(UserError, match=r"task sst2: .*sst2 has no split 'train' .*; found: test.jsonl"):
        load_rows(SST2, "train", "en", tmp_path)
    with pytest.raises(
        UserError, match=r"has no nyu-mll/glue/cola/ with train.jsonl .*; found: .*nyu-mll/glue has sst2/"
    ):
        load_rows(BY_NAME["cola"], "train", "en", tmp_path)
    put(tmp_path / "nyu-mll/glue/sst2/train.jsonl", [])
    with pytest.raises(UserError, match="split 'train' in en has no rows"):
        load_rows(SST2, "train", "en", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{\n", "Expecting"), (b"[1]\n", "not a JSON object"), (b"\xff\xfe\n", "codec"), (b'"a"\n', "not a JSON object")],
)
def test_broken_lines(tmp_path, content, message):
    path = tmp_path / "nyu-mll/glue/sst2/train.jsonl"
    put(path, [])
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"train.jsonl.*{message}"):
        load_rows(SST2, "train", "en", tmp_path)


def test_broken_parquet(tmp_path):
    path = tmp_path / "nyu-mll/glue/sst2/train.parquet"
    put(path, ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="not a whole Parquet file"):
        load_rows(SST2, "train", "en", tmp_path)


def test_languages_of_one_file_are_told_apart_by_the_id(tmp_path):
    task = BY_NAME["tydiqa"]
    rows = make_rows(task, 3, "a", "fi") + make_rows(task, 2, "b", "en")
    put(tmp_path / "google/xtreme/tydiqa/validation.jsonl", rows)
    assert len(load_rows(task, "validation", "fi", tmp_path)) == 3
    assert [row["id"] for row in load_rows(task, "validation", "en", tmp_path)] == ["english-0", "english-1"]


def test_a_part_to_train_on_is_always_the_same(tmp_path):
    put(tmp_path / "nyu-mll/glue/sst2/train.jsonl", ROWS * 20)
    some = Settings(folder=tmp_path, max_train_examples=7)
    first = training_rows(SST2, "train", tmp_path, some)
    assert len(first) == 7
    assert first == training_rows(SST2, "train", tmp_path, some)
    assert first != (ROWS * 20)[:7]


@pytest.fixture
def flat(tmp_path):
    """Flat files of two languages: 8 articles of XQuAD with one question each, and SIB-200."""
    write_flat_xquad(tmp_path)
    put(
        tmp_path / "sib200.jsonl.gz",
        [
            {"language": language, "split": split, "index_id": "1", "text": f"{language} {split}", "label": "travel"}
            for language in ("eng_Latn", "fra_Latn")
            for split in ("train", "dev", "test")
        ],
    )
    return tmp_path


def test_flat_sib200_has_the_columns_of_the_hub(flat):
    task = BY_NAME["sib200"]
    (row,) = load_rows(task, "validation", "fra_Latn", flat)
    assert (row["text"], row["category"]) == ("fra_Latn dev", "travel")
    assert task_languages(task, flat, Settings(folder=flat)) == ("eng_Latn", "fra_Latn")
    assert task_languages(task, flat, Settings(folder=flat, languages=("fra_Latn", "xx"))) == ("fra_Latn",)
    with pytest.raises(UserError, match="none of xx is in sib200, which has eng_Latn, fra_Latn"):
        task_languages(task, flat, Settings(folder=flat, languages=("xx",)))


def test_flat_xquad_is_split_by_article_and_the_same_in_every_language(flat):
    task = BY_NAME["xquad_by_article"]
    scored = {row["id"] for row in load_rows(task, "test", "de", flat)}
    assert scored == {"q3", "q7"}
    assert {row["id"] for row in load_rows(task, "train", "en", flat)} == {f"q{n}" for n in range(8)} - scored
    assert load_rows(task, "test", "de", flat)[0]["answers"] == {"text": ["article"], "answer_start": [0]}


def test_xquad_without_squad_says_which_suite_does(flat):
    with pytest.raises(UserError, match=r"task squad: .*has no rajpurkar/squad/plain_text.*--suite xquad"):
        load_rows(BY_NAME["squad"], "train", "en", flat)


def test_without_a_connection_the_folder_to_give_is_named():
    with pytest.raises(
        UserError, match=r"nyu-mll/glue .*Offline, give --data DIR with DIR/nyu-mll/glue/sst2/train.jsonl"
    ):
        load_rows(SST2, "train", "en", None)
