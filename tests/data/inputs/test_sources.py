"""The rows of yamls/data/mmbert.yaml, each on a small stand-in with that dataset's layout and columns."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from mmbert_composer.data.inputs.document import Document
from mmbert_composer.data.inputs.sources import load_sources, parse_sources
from mmbert_composer.errors import UserError
from tests.conftest import ROOT

MMBERT = ROOT / "yamls" / "data" / "mmbert.yaml"
TEXTS = ["a first text", "a second text"]


def jsonl(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    pack = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}.get(path.suffix, bytes)
    path.write_bytes(pack(data))


def parquet(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def web(**more: object) -> list[dict]:
    """Rows of FineWeb2 and of what is made of it."""
    columns = {"dump": "CC-MAIN-2024-10", "url": "https://a", "date": "2024", "file_path": "s3://a.warc.gz"}
    languages = {"language": "deu", "language_score": 0.99, "language_script": "Latn", "minhash_cluster_size": 3}
    return [{"text": text, "id": f"<{n}>", **columns, **languages, **more} for n, text in enumerate(TEXTS)]


def dclm() -> list[dict]:
    columns = {
        "url": "https://a",
        "bff_contained_ngram_count_before_dedupe": 1,
        "warcinfo": "w",
        "metadata": {"a": "b"},
    }
    scores = {"language_id_whole_page_fasttext": {"en": 0.9}, "fasttext_openhermes_reddit_eli5_vs_rw_v2_prob": 0.1}
    return [{"text": text, **columns, **scores, "previous_word_count": 3} for text in TEXTS]


def dolma(**more: object) -> list[dict]:
    """Rows of Dolma and Dolmino; their ``source`` is a name of their own, no source of ours."""
    columns = {"source": "s2orc/train v2", "added": "2024", "created": "2020", "version": "v1", "metadata": {"a": 1}}
    return [{"id": f"{n}", "text": text, **columns, **more} for n, text in enumerate(TEXTS)]


def megawika() -> list[dict]:
    return [{"article_title": f"T{n}", "article_text": text, "entries": []} for n, text in enumerate(TEXTS)]


STAND_INS: dict[str, tuple[str, Callable[[], list[dict]], str]] = {
    "fineweb2": ("data/deu_Latn/train/000_00000.parquet", web, "deu_Latn"),
    "fineweb2-hq": ("deu_Latn/000_00000.parquet", lambda: web(quality_score=0.9, embeddings=[[0.1]]), "deu_Latn"),
    "dclm": ("filtered/OH_eli5_vs_rw_v2_bigram_200k_train/fasttext/a.parquet", dclm, "eng"),
    "dclm-dolmino": ("data/dclm/0024/dclm-0001.json.zst", dolma, "eng"),
    "starcoder": ("starcoder-0000.json.gz", dolma, "und"),
    "arxiv": ("arxiv-0099.json.gz", dolma, "eng"),
    "stackexchange": ("stackexchange-0025.json.gz", dolma, "eng"),
    "stackexchange-dolmino": ("data/stackexchange/stackexchange-0000.json.gz", dolma, "eng"),
    "pes2o": ("pes2o-0000.json.gz", dolma, "eng"),
    "tulu-flan": ("tulu_flan-0000.json.gz", dolma, "eng"),
    "books": ("books-0002.json.gz", dolma, "eng"),
    "megawika": ("megawika-0000.json.gz", dolma, "eng"),
    "megawika-languages": ("data/de/de-00000-of-00010.jsonl", megawika, "deu"),
    "dolmino-math": ("data/math/tulu_math/personahub_math_v5/train_0000.jsonl", dolma, "eng"),
    "prolong-code": ("part-0.jsonl.gz", lambda: [{"text": text} for text in TEXTS], "und"),
    "prolong-textbooks": ("part-0.jsonl.zst", lambda: [{"text": text} for text in TEXTS], "eng"),
}


def test_every_row_has_a_stand_in_a_licence_and_an_origin() -> None:
    root, rows = load_sources(MMBERT)
    assert root is None
    assert rows.keys() == STAND_INS.keys()
    for name, row in rows.items():
        options = row.options(name)
        assert options.licence, name
        assert options.origin, name
        assert row.revision or not row.hub, name
    # What a run without local copies would open.
    assert rows["dclm"].place("dclm", None) == (
        "hf://datasets/mlfoundations/dclm-baseline-1.0-parquet@817d6752765f6a41261085171dd546b104f60626"
    )
    assert rows["books"].place("books", None) == "https://olmo-data.org/dolma-v1_7/books"


@pytest.mark.parametrize("name", STAND_INS)
def test_a_row_reads_its_own_schema(tmp_path: Path, name: str) -> None:
    file, rows, language = STAND_INS[name]
    (parquet if file.endswith("parquet") else jsonl)(tmp_path / name / file, rows())
    (spec,) = parse_sources(MMBERT, [f"root={tmp_path}"], [name])
    assert list(spec.read()) == [Document(text, language, name) for text in TEXTS]
    assert spec.licence
    assert spec.options.origin


def test_a_row_points_to_a_copy_and_several_are_read_in_order(tmp_path: Path) -> None:
    jsonl(tmp_path / "my/books-0000.json.gz", dolma())
    jsonl(tmp_path / "other/part.jsonl", dolma())
    overrides = [f"sources.books.path={tmp_path}/my", f"sources.prolong-code.path={tmp_path}/other"]
    specs = parse_sources(MMBERT, [*overrides, "sources.books.filter=[\"id == '1'\"]"], ["prolong-code", "books"])
    assert [spec.source for spec in specs] == ["books", "prolong-code"]
    assert [len([r for r in spec.read() if isinstance(r, Document)]) for spec in specs] == [1, 2]
    assert specs[0].options.origin == "https://olmo-data.org/dolma-v1_7/books"


@pytest.mark.parametrize(
    ("overrides", "only", "message"),
    [
        ([], ["bookz"], "no source 'bookz'; nearest: books"),
        ([], ["prolong-code", "prolong-textbooks"], r"prolong-code, prolong-textbooks: not published as text; set"),
        (["sources.books.pth=a"], [], "source 'books': unknown key 'pth'; nearest: path"),
        (["sources.books.kind=json"], [], "kind 'json' must be one of jsonl, parquet"),
        (["sources.books.hub=a/b"], [], "source 'books' has a hub and a url"),
        (["sources.new.path=a"], [], "source 'new' needs a kind"),
        (["rot=a"], [], "unknown key 'rot'; a YAML of sources has root: and sources:"),
        (["root"], [], "override 'root' must be key=value"),
        (["root=/nowhere"], ["books"], "no file matches '/nowhere/books/books-"),
    ],
)
def test_what_is_wrong_is_named(overrides: list[str], only: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_sources(MMBERT, overrides, only)


def test_another_file_is_no_yaml_of_sources(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.yaml: cannot be read: No such file"):
        parse_sources(tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_text("data: {root: x}")
    with pytest.raises(UserError, match=r"a.yaml: no key sources: with a row for each source"):
        parse_sources(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not a YAML file"):
        parse_sources(tmp_path / "a.yaml")
