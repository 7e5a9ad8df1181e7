import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import zstandard
from streaming import MDSWriter

from mmbert_composer.data.inputs.document import Record, Skipped, TokenBatch
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec, read_unit
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.errors import UserError
from tests.data.inputs.units import merge_indexes, some_sequences, write_mds

RULES = TokenRules(bos=2, eos=1, vocab_size=600)


class Sequence(NamedTuple):
    """One document of a batch."""

    stream: str
    tokens: list[int]


def sequences_of(records: Iterable[Record]) -> list[Sequence]:
    batches = [record for record in records if isinstance(record, TokenBatch)]
    assert all(batch.sequences.tokens.dtype == np.uint32 for batch in batches)
    return [Sequence(batch.stream, array.tolist()) for batch in batches for array in batch.sequences.arrays()]


def read(folder: Path, **options: object) -> list[Sequence]:
    spec = parse_spec(f"mds:{folder}", ReadOptions(**options))
    records = list(spec.read(rules=RULES))
    assert all(isinstance(record, TokenBatch) for record in records), records
    return sequences_of(records)


@pytest.mark.parametrize(
    ("columns", "dtype", "options"),
    [
        ({"input_ids": "ndarray:uint32", "id": "str"}, np.uint32, {}),
        ({"input_ids": "ndarray", "id": "str", "len": "int"}, np.int64, {}),
        ({"input_ids": "ndarray:int64", "id": "str"}, np.int64, {}),
        ({"input_ids": "ndarray:uint16"}, np.uint16, {}),
        ({"input_ids": "bytes", "id": "str"}, np.int64, {"dtype": "int64"}),
        ({"input_ids": "bytes", "len": "int"}, np.uint16, {"dtype": "uint16"}),
    ],
)
@pytest.mark.parametrize("compression", [None, "zstd:3"])
def test_every_sequence_comes_back_whatever_its_encoding(tmp_path, columns, dtype, options, compression) -> None:
    sequences = some_sequences(300)
    write_mds(tmp_path, [s.astype(dtype) for s in sequences], columns, compression=compression, size_limit=1 << 13)
    assert len(list(tmp_path.glob("shard.*"))) > 2
    documents = read(tmp_path, **options)
    assert documents == [("mds/und", s.tolist()) for s in sequences]


def test_arrays_of_a_fixed_shape_and_of_mixed_types(tmp_path: Path) -> None:
    fixed = np.array([[2, 9, 8, 1], [2, 7, 6, 1]], np.uint32)
    write_mds(tmp_path / "fixed", list(fixed), {"input_ids": "ndarray:uint32:4"})
    assert [d.tokens for d in read(tmp_path / "fixed")] == fixed.tolist()
    mixed = [sequence.astype(kind) for sequence in fixed for kind in (np.int32, np.uint16, np.int64)]
    write_mds(tmp_path / "mixed", mixed, {"input_ids": "ndarray"})
    assert [d.tokens for d in read(tmp_path / "mixed")] == [s.tolist() for s in mixed]


def test_units_are_ranges_of_shards_and_give_the_whole(tmp_path: Path) -> None:
    sequences = some_sequences(300)
    write_mds(tmp_path, sequences, size_limit=1 << 13)
    spec = parse_spec(f"mds:{tmp_path}", ReadOptions())
    units = spec.units(20_000)
    assert len(units) > 2
    assert sum(unit.size for unit in units) == spec.found.units[0].size
    found = sequences_of(record for unit in units for record in read_unit(unit, spec.options, RULES))
    assert [d.tokens for d in found] == [s.tolist() for s in sequences]


def published(root: Path) -> Path:
    """As mmBERT's repositories are: sources, languages of some, shard sets, merged indexes above them."""
    suffix = "-tokenized-chunked-8192-512-32-backfill-nodups"
    for number, place in enumerate(
        (
            f"fineweb2-sampled-v2/deu_Latn{suffix}-sampled/000_00023-batch_0000{suffix}",
            f"fineweb2-sampled-v2/deu_Latn{suffix}-sampled/000_00031-batch_0000{suffix}",
            f"fineweb2-sampled-v2/zho_Hant{suffix}-sampled/000_00001-batch_0000{suffix}",
            f"arxiv-sampled/split_7{suffix}",
            f"textbooks/0-0{suffix}",
        )
    ):
        folder = write_mds(root / "train" / place, some_sequences(4, seed=number), compression="zstd")
        # They were uncompressed before they were uploaded; index.json names both.
        (packed,) = folder.glob("*.zstd")
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(packed.read_bytes())
        packed.with_suffix("").write_bytes(raw)
        packed.unlink()
        (folder / "stats.json").write_text("{}")
        (folder / "token_decile.json").write_text("{}")
    for folder in (root / "train/arxiv-sampled", root / "train/textbooks", root / "train", root):
        merge_indexes(folder)
    (root / "train/starcoder-sample").mkdir()
    (root / "train/starcoder-sample/num_tokens.json").write_text("{}")
    return root


def test_a_published_repository_is_read_once_under_its_sources_and_languages(tmp_path: Path) -> None:
    documents = read(published(tmp_path))
    streams = {}
    for document in documents:
        streams[document.stream] = streams.get(document.stream, 0) + 1
    assert streams == {
        "fineweb2-sampled-v2/deu_Latn": 8,
        "fineweb2-sampled-v2/zho_Hant": 4,
        "arxiv-sampled/und": 4,
        "textbooks/und": 4,
    }
    (note,) = parse_spec(f"mds:{tmp_path}", ReadOptions()).notes
    assert note.endswith(
        "5 MDS folders for 4 streams: arxiv-sampled/und (1), fineweb2-sampled-v2/deu_Latn (2), "
        "fineweb2-sampled-v2/zho_Hant (1), textbooks/und (1)"
    )


def test_folders_are_given_a_source_and_a_language_by_rules_and_options(tmp_path: Path) -> None:
    root = published(tmp_path)
    rules = ("train/fineweb2*=fineweb2", "*arxiv*=papers/eng")
    streams = {d.stream for d in read(root, folders=rules, language="eng_Latn")}
    assert streams == {"fineweb2/deu_Latn", "fineweb2/zho_Hant", "papers/eng", "textbooks/eng_Latn"}
    assert {d.stream for d in read(root / "train/textbooks", source="books")} == {"books/und"}
    assert {d.stream for d in read(root / "train/arxiv-sampled")} == {"arxiv-sampled/und"}
    with pytest.raises(UserError, match="folder rule 'train' must be GLOB=SOURCE"):
        ReadOptions(folders=("train",))


def test_folders_that_were_not_downloaded_are_said_and_half_of_one_is_refused(tmp_path: Path) -> None:
    root = published(tmp_path)
    shutil.rmtree(root / "train/textbooks")
    spec = parse_spec(f"mds:{root}", ReadOptions())
    assert "1 folders that a merged index.json lists are not here and were left out: " in spec.notes[1]
    (shard,) = (root / "train/arxiv-sampled").glob("*/shard.00000.mds")
    shard.unlink()
    with pytest.raises(UserError, match=r"split_7-\S+: 1 of the 1 shards .* are missing: shard.00000.mds. Get them"):
        parse_spec(f"mds:{root}", ReadOptions())
    (shard.parent / "index.json").unlink()
    shard.write_bytes(b"x")
    with pytest.raises(UserError, match=r"split_7-\S+ holds shards and no index.json"):
        parse_spec(f"mds:{root}", ReadOptions())


def test_a_shard_cut_short_or_with_other_counts_is_named(tmp_path: Path) -> None:
    write_mds(tmp_path, some_sequences(50))
    shard = tmp_path / "shard.00000.mds"
    whole = shard.read_bytes()
    spec = parse_spec(f"mds:{tmp_path}", ReadOptions())
    shard.write_bytes(whole[:-7])
    with pytest.raises(UserError, match=rf"shard.00000.mds holds {len(whole) - 7:,} bytes instead of {len(whole):,}"):
        list(spec.read(rules=RULES))
    with pytest.raises(UserError, match=r"shard.00000.mds has .* bytes instead of .*: get it again"):
        parse_spec(f"mds:{tmp_path}", ReadOptions())
    shard.write_bytes(np.uint32(49).tobytes() + whole[4:])
    with pytest.raises(UserError, match=r"is damaged .it holds 49 samples, its index says 50"):
        list(spec.read(rules=RULES))
    shard.write_bytes(whole[:4] + np.uint32(3).tobytes() + whole[8:])
    with pytest.raises(UserError, match="its table of samples does not fit its size"):
        list(spec.read(rules=RULES))
    first = np.frombuffer(whole[4:8], "<u4")[0]
    shard.write_bytes(whole[:first] + np.uint32(1000).tobytes() + whole[first + 4 :])
    with pytest.raises(UserError, match="a sample's columns do not fill it"):
        list(spec.read(rules=RULES))


def test_a_truncated_zstd_shard_is_named(tmp_path: Path) -> None:
    write_mds(tmp_path, some_sequences(50), compression="zstd:1")
    shard = tmp_path / "shard.00000.mds.zstd"
    spec = parse_spec(f"mds:{tmp_path}", ReadOptions())
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"mds.zstd (holds .* bytes instead of|is damaged)"):
        list(spec.read(rules=RULES))
    shard.write_bytes(b"no zstd at all")
    with pytest.raises(UserError, match=r"mds.zstd is damaged .*get it again"):
        list(spec.read(rules=RULES))
    shard.unlink()
    with pytest.raises(UserError, match=r"shard shard.00000.mds is gone: get it again"):
        list(spec.read(rules=RULES))


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"input_ids": "pkl"}, {}, "column 'input_ids' is pkl, not an array of token ids"),
        ({"input_ids": "bytes"}, {}, "is of bytes, which do not say their type: give it with --dtype"),
        ({"input_ids": "bytes"}, {"dtype": "float32"}, "its type 'float32' must be one of uint8"),
        ({"input_ids": "ndarray:uint32"}, {"dtype": "uint32"}, "which says its type: leave --dtype out"),
        ({"input_ids": "ndarray:uint32"}, {"text_field": "tokens"}, r"no column 'tokens' \(columns: input_ids\)"),
    ],
)
def test_columns_that_hold_no_tokens_are_refused_before_anything_is_read(tmp_path, columns, options, message) -> None:
    write_mds(tmp_path, some_sequences(3), columns)
    with pytest.raises(UserError, match=message):
        parse_spec(f"mds:{tmp_path}", ReadOptions(**options))


def test_a_pickled_column_beside_the_tokens_is_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    writer = MDSWriter(out=str(tmp_path), columns={"a": "pkl", "input_ids": "ndarray:uint32", "z": "json"})
    writer.write({"a": Bomb(), "input_ids": np.array([2, 5, 1], np.uint32), "z": {"b": 1}})
    writer.finish()
    assert [d.tokens for d in read(tmp_path)] == [[2, 5, 1]]


def test_sequences_must_begin_with_bos_and_end_with_eos(tmp_path: Path) -> None:
    rows = [[2, 9, 1], [2, 9], [7, 9, 1], [2, 1], [2], [1], [2, 8, 7]]
    write_mds(tmp_path, [np.array(row, np.uint32) for row in rows])
    records = list(parse_spec(f"mds:{tmp_path}", ReadOptions()).read(rules=RULES))
    assert [d.tokens for d in sequences_of(records)] == [[2, 9, 1], [2, 9, 1], [2, 8, 7, 1]]
    skipped = {(r.reason, r.where.rpartition(":")[2], r.stream) for r in records if isinstance(r, Skipped)}
    assert skipped == {
        ("sequence without BOS", "2", "mds/und"),
        ("empty text", "3", "mds/und"),
        ("empty text", "4", "mds/und"),
        ("empty text", "5", "mds/und"),
    }


def test_tokens_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    write_mds(tmp_path, [np.array([2, 9, 1], np.uint32), np.array([2, 600, 1], np.uint32)])
    spec = parse_spec(f"mds:{tmp_path}", ReadOptions())
    with pytest.raises(UserError, match="sample 1 has the token id 600, and the tokenizer has 600 ids"):
        list(spec.read(rules=RULES))
    with pytest.raises(UserError, match="holds tokens, and text is needed here"):
        list(spec.read())
    write_mds(tmp_path / "negative", [np.array([2, -100, 1], np.int64)], {"input_ids": "ndarray"})
    with pytest.raises(UserError, match=r"is damaged .token id -100"):
        list(parse_spec(f"mds:{tmp_path / 'negative'}", ReadOptions()).read(rules=RULES))


def test_our_own_blocks_and_other_folders_are_no_input(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="these are packed blocks already, made by `mmbert prepare`"):
        parse_spec(f"mds:{tiny_data}", ReadOptions())
    with pytest.raises(UserError, match="is no folder with files in it"):
        parse_spec(f"mds:{tmp_path}/nothing", ReadOptions())
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(UserError, match=r"no index.json in it or below it lists a shard"):
        parse_spec(f"mds:{tmp_path}", ReadOptions())
    (tmp_path / "index.json").write_text(json.dumps({"shards": [{"format": "json"}]}))
    with pytest.raises(UserError, match="its shards are json, not mds"):
        parse_spec(f"mds:{tmp_path}", ReadOptions())
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(UserError, match="is no index of MDS shards"):
        parse_spec(f"mds:{tmp_path}", ReadOptions())
