import csv
import io
import json

import pytest

from mmbert_composer.data.data_stats import stats_csv, stats_json, write_stats
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError
from mmbert_composer.planning import read_counts


@pytest.fixture
def manifest(tiny_data):
    return load_manifest(tiny_data)


def test_a_row_a_stream_the_most_tokens_first(manifest):
    rows = list(csv.DictReader(io.StringIO(stats_csv(manifest))))
    assert {row["language"] for row in rows} == {"eng", "deu", "fra", "swh", "isl", "fao"}
    tokens = [int(row["tokens"]) for row in rows]
    assert tokens == sorted(tokens, reverse=True)
    assert sum(tokens) == manifest.tokens
    (first,) = (row for row in rows if row["language"] == "eng")
    assert (first["source"], first["name"]) == ("tiny", "English")
    entry = manifest.streams["tiny/eng"]
    assert (int(first["blocks"]), int(first["heldout_blocks"])) == (entry.blocks, entry.heldout_blocks)


def test_the_plan_reads_it_as_counts(manifest, tmp_path):
    write_stats(manifest, table=tmp_path / "counts.csv")
    sizes = read_counts(tmp_path / "counts.csv", manifest.block_size)
    assert {name: size.tokens for name, size in sizes.items()} == {
        name: entry.tokens for name, entry in manifest.streams.items() if entry.tokens
    }


def test_sums(manifest, tmp_path):
    write_stats(manifest, tree=tmp_path / "stats.json")
    content = json.loads((tmp_path / "stats.json").read_text())
    assert content == json.loads(json.dumps(stats_json(manifest)))
    total = content["total"]
    assert (total["tokens"], total["blocks"], total["streams"]) == (manifest.tokens, manifest.blocks, 6)
    assert content["sources"] == {"tiny": total}
    assert total["documents"] == sum(row["documents"] for row in content["streams"])
    assert total["fill"] == pytest.approx(manifest.tokens / (manifest.blocks * 64))


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_pictures(manifest, tmp_path, name, begins):
    write_stats(manifest, picture=tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name.endswith(".svg"):
        text = (tmp_path / name).read_text()
        assert f"{manifest.tokens:,} tokens in {manifest.blocks} blocks of 64" in text
        assert max(manifest.streams.values(), key=lambda entry: entry.tokens).name.removeprefix("tiny/") in text


def test_an_unknown_kind_of_picture(manifest, tmp_path):
    with pytest.raises(UserError, match=r"--plot .*x.gif: the name must end with one of .png, .svg, .pdf"):
        write_stats(manifest, table=tmp_path / "x.csv", picture=tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())
