"""The commands of docs/data.md on inputs, on small stand-ins; a published folder is imported and trained on."""

import gzip
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.tokenizer import train_tokenizer
from tests.conftest import ROOT, read_jsonl, tiny_documents
from tests.data.inputs.units import merge_indexes, write_mds
from tests.documents import Document, run_command, shortened

DOCUMENT = Document(ROOT / "docs" / "data.md")
# One phase of a few steps; what follows a run (a merge, an export) is shown elsewhere.
SHORT = [
    *shortened(1, 24_576, 8_192),
    "curriculum.phases.0.lr.over=8_192tok",
    "curriculum.phases.0.batch_size.over=8_192tok",
    "curriculum.phases.1.duration=null",
    "curriculum.phases.2.duration=null",
    "data.segment_blocks=24",
    "callbacks.checkpoint_merging=null",
    "callbacks.huggingface_export=null",
]
SUFFIX = "-tokenized-chunked-8192-512-32-backfill-nodups"
FOLDERS = {"eng": "textbooks", "deu": "fineweb2-sampled/deu_Latn", "fra": "fineweb2-sampled/fra_Latn"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a tokenizer, text in several layouts, and the same text as somebody else tokenized it."""
    folder = tmp_path_factory.mktemp("inputs")
    documents = [document for seed in range(3) for document in tiny_documents(seed)]
    train_tokenizer((document["text"] for document in documents), 640, folder / "tok")
    (folder / "mytext").mkdir()
    (folder / "mytext/train.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    of = {code: [d["text"] for d in documents if d["language"] == code] for code in FOLDERS}
    for code in ("deu", "fra"):
        for split in ("train", "test"):
            table(folder / f"fineweb2/data/{code}_Latn/{split}/000.parquet", text=of[code], id=of[code])
    table(folder / "copies/dclm/filtered/a/0.parquet", text=of["eng"], url=of["eng"])
    (folder / "copies/books").mkdir()
    rows = [{"text": text, "source": "gutenberg"} for text in of["fra"]]
    (folder / "copies/books/books-0001.json.gz").write_bytes(gzipped(rows))
    tokenizer = Tokenizer.from_file(str(folder / "tok/tokenizer.json"))
    for code, place in FOLDERS.items():
        ids = [[2, *tokenizer.encode(text, add_special_tokens=False).ids, 1] for text in of[code]]
        for half in (0, 1):
            inner = folder / "published/train" / f"{place}{SUFFIX}" / f"000_0000{half}-batch_0000{SUFFIX}"
            write_mds(inner, [np.array(row, np.uint32) for row in ids[half::2]])
    merge_indexes(folder / "published/train")
    shutil.copytree(ROOT / "yamls", folder / "yamls")
    return folder


def table(path, **columns):
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path)


def gzipped(rows):
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


@pytest.fixture
def there(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    return workplace


def test_options_of_reading(there, capsys):
    for command in DOCUMENT.commands(""):
        run_command(command)
    manifest = load_manifest(there / "filtered")
    assert {(entry.licence, entry.origin) for entry in manifest.streams.values()} == {("CC0", "mine@v1")}
    assert manifest.ledger["dropped"]["below 30 characters"] > 0
    assert list(load_manifest(there / "web").streams) == ["fineweb2/deu_Latn", "fineweb2/fra_Latn"]
    assert "2 files of test/ left out" in capsys.readouterr().out


def test_a_dataset_in_a_folder(there):
    pytest.importorskip("datasets", reason="the datasets library (extra hf) is not installed")
    for command in DOCUMENT.commands("hf"):
        run_command(command)
    assert len(load_manifest(there / "from-hf").streams) == 6


def test_a_published_folder_is_imported_and_trained_on(there):
    for command in DOCUMENT.commands("published"):
        run_command(command, SHORT)
    manifest = load_manifest(there / "data")
    assert list(manifest.streams) == ["fineweb2/deu_Latn", "fineweb2/fra_Latn", "textbooks/eng"]
    # The same text by the other way: the same number of tokens on both sides together.
    web = load_manifest(there / "web").streams
    for name in ("fineweb2/deu_Latn", "fineweb2/fra_Latn"):
        imported, encoded = manifest.streams[name], web[name]
        assert imported.tokens + imported.heldout_tokens == encoded.tokens + encoded.heldout_tokens
        assert imported.documents + imported.heldout_documents == encoded.documents + encoded.heldout_documents
    steps = [row for row in read_jsonl(there / "runs/published/metrics.jsonl") if "event" not in row]
    assert len(steps) >= 3
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[-1]["token"] + 8 * 1024 >= 24_576


def test_rows_of_a_recipe(there):
    for command in DOCUMENT.commands("sources"):
        run_command(command)
    streams = load_manifest(there / "recipe").streams
    assert list(streams) == ["books/eng", "dclm/eng"]
    assert streams["dclm/eng"].licence == "CC BY 4.0"
    assert streams["dclm/eng"].origin.startswith("mlfoundations/dclm-baseline-1.0-parquet@817d675")
    assert streams["books/eng"].origin == "https://olmo-data.org/dolma-v1_7/books"
