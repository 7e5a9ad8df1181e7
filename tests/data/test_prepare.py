import fcntl
import json
import random
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streaming.base.format.mds.reader import MDSReader
from xxhash import xxh64_intdigest

from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.manifest import Manifest, load_manifest
from mmbert_composer.data.prepare import prepare
from mmbert_composer.data.preparing import worker
from mmbert_composer.data.preparing.local_engine import _Worker
from mmbert_composer.data.preparing.progress import PrepareProgress
from mmbert_composer.data.tokenizer import load_tokenizer
from mmbert_composer.errors import UserError
from tests.conftest import tiny_documents

BLOCK = 64


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A jsonl of 145 documents of six languages, and three texts longer than a block."""
    long = [{"text": " ".join(["word"] * n), "language": "eng", "source": "tiny"} for n in (200, 300, 400)]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in tiny_documents() + long))
    return path


@pytest.fixture
def run(tiny_data: Path, tmp_path: Path) -> Callable[..., Manifest]:
    """prepare() with the tiny tokenizer; what it says is collected in ``run.said``."""

    def call(*inputs: str, out: str = "data", workers: int = 1, block_size: int = BLOCK, **more) -> Manifest:
        call.said = []
        return prepare(
            inputs, tiny_data / "tokenizer", tmp_path / out, block_size, workers, say=call.said.append, **more
        )

    return call


def read_blocks(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    blocks = []
    for shard in json.loads((folder / "index.json").read_text())["shards"]:
        reader = MDSReader.from_json(str(folder.parent), folder.name, shard)
        blocks += [(reader[i]["input_ids"], reader[i]["cu_seqlens"]) for i in range(shard["samples"])]
    return blocks


def sequences(folder: Path) -> list[list[int]]:
    return [ids[start:end].tolist() for ids, cu in read_blocks(folder) for start, end in pairwise(cu)]


def as_json(manifest: Manifest) -> dict:
    return json.loads((manifest.root / "manifest.json").read_text())


def test_every_text_comes_back_from_its_stream_on_one_side(
    corpus: Path, run: Callable[..., Manifest], tiny_data: Path
) -> None:
    manifest = run(f"jsonl:{corpus}")
    tokenizer = load_tokenizer(tiny_data / "tokenizer")
    documents = [json.loads(line) for line in corpus.read_text().splitlines()]
    for name, entry in manifest.streams.items():
        texts = sorted({d["text"] for d in documents if f"tiny/{d['language']}" == name}, key=xxh64_intdigest)
        training = sequences(manifest.stream_folder(name))
        held_out = sequences(manifest.heldout_folder(name))
        decode = lambda found: {tokenizer.decode(ids[1:-1]) for ids in found}  # noqa: E731
        assert entry.heldout_documents == 1
        of_first = tokenizer(texts[0], add_special_tokens=False)["input_ids"]
        assert sorted(token for ids in held_out for token in ids[1:-1]) == sorted(of_first)
        assert {text for text in texts[1:] if len(tokenizer(text)["input_ids"]) <= BLOCK} <= decode(training)
        assert texts[0] not in decode(training)
        assert (entry.blocks, entry.heldout_blocks) == (
            len(read_blocks(manifest.stream_folder(name))),
            len(read_blocks(manifest.heldout_folder(name))),
        )
        assert entry.tokens == sum(map(len, training))
        assert entry.fill == pytest.approx(entry.tokens / entry.blocks / BLOCK)
        assert all((ids[0], ids[-1]) == (2, 1) and len(ids) <= BLOCK for ids in training + held_out)
    ledger = manifest.ledger
    assert ledger["documents"] == ledger["kept"] == ledger["training"] + ledger["heldout"] == len(documents)


def test_long_documents_lose_no_token(corpus: Path, run: Callable[..., Manifest], tiny_data: Path) -> None:
    manifest = run(f"jsonl:{corpus}")
    tokenizer = load_tokenizer(tiny_data / "tokenizer")
    found = sequences(manifest.stream_folder("tiny/eng")) + sequences(manifest.heldout_folder("tiny/eng"))
    texts = [json.loads(line) for line in corpus.read_text().splitlines()]
    expected = [
        token
        for document in texts
        if document["language"] == "eng"
        for token in tokenizer(document["text"], add_special_tokens=False)["input_ids"]
    ]
    assert sorted(token for ids in found for token in ids[1:-1]) == sorted(expected)


def test_blocks_are_padded_and_their_edges_end_at_the_real_tokens(corpus: Path, run: Callable[..., Manifest]) -> None:
    manifest = run(f"jsonl:{corpus}")
    for ids, cu_seqlens in read_blocks(manifest.stream_folder("tiny/eng")):
        assert (ids.shape, ids.dtype, cu_seqlens.dtype) == ((BLOCK,), np.uint32, np.int32)
        assert cu_seqlens[0] == 0
        assert (np.diff(cu_seqlens) > 2).all()
        assert not ids[cu_seqlens[-1] :].any()
        assert ids[: cu_seqlens[-1]].all()


def test_two_workers_one_of_them_killed_and_any_order_of_input_give_the_same(
    corpus: Path, run: Callable[..., Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = corpus.read_text().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    (tmp_path / "a.jsonl").write_text("".join(lines[:50]))
    (tmp_path / "b.jsonl").write_text("".join(lines[50:]))
    killed: list[psutil.Process] = []

    def kill_once(self: PrepareProgress, num_bytes: int, num_tokens: int) -> None:
        if not killed and num_tokens:
            children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
            workers = [child for child in children if worker.__name__ in child.cmdline()]
            killed.append(workers[0])
            workers[0].kill()

    whole = run(f"jsonl:{corpus}", out="one")
    monkeypatch.setattr(PrepareProgress, "advance", kill_once)
    assert as_json(run(f"jsonl:{tmp_path}/?.jsonl", out="two", workers=2)) == as_json(whole)
    assert killed


def test_every_kind_of_input_gives_the_same_blocks(corpus: Path, run: Callable[..., Manifest], tmp_path: Path) -> None:
    documents = [json.loads(line) for line in corpus.read_text().splitlines()]
    for index, document in enumerate(documents):
        folder = tmp_path / "text" / document["language"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.txt").write_text(document["text"] + "\n")
    pq.write_table(pa.Table.from_pylist(documents), tmp_path / "a.parquet")
    streams = [
        run(spec, out=f"out{number}", options=ReadOptions(source="tiny")).streams
        for number, spec in enumerate(
            [f"jsonl:{corpus}", f"parquet:{tmp_path}/*.parquet", f"text:{tmp_path}/text/*/*.txt"]
        )
    ]
    assert streams[0] == streams[1] == streams[2]
    assert streams[0]["tiny/eng"].shard_hashes


def test_a_second_run_does_nothing_and_another_one_is_refused(
    corpus: Path, run: Callable[..., Manifest], tmp_path: Path
) -> None:
    first = run(f"jsonl:{corpus}")
    before = {path: path.stat().st_mtime_ns for path in first.root.rglob("*.mds")}
    assert run(f"jsonl:{corpus}", workers=2) == first
    assert run.said == [f"{first.root}: 6 streams were prepared already; nothing to do"]
    with pytest.raises(UserError, match=r"block_size was 64, is 32.*nothing was changed"):
        run(f"jsonl:{corpus}", block_size=32)
    with pytest.raises(UserError, match="source was None, is x"):
        run(f"jsonl:{corpus}", options=ReadOptions(source="x"))
    shutil.copy(corpus, tmp_path / "more.jsonl")
    with pytest.raises(UserError, match=r"input .*more.jsonl is new.*or --append to add to it"):
        run(f"jsonl:{corpus}", f"jsonl:{tmp_path}/more.jsonl")
    corpus.write_text(corpus.read_text() + '{"text": "one more"}\n')
    with pytest.raises(UserError, match=r"input .*corpus.jsonl changed"):
        run(f"jsonl:{corpus}")
    assert before == {path: path.stat().st_mtime_ns for path in first.root.rglob("*.mds")}


def test_a_folder_with_something_else_is_refused(corpus: Path, run: Callable[..., Manifest], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/thesis.tex").write_text("all of it")
    with pytest.raises(UserError, match="data holds something else: choose another --out; nothing was overwritten"):
        run(f"jsonl:{corpus}")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["thesis.tex"]


class Killed(BaseException):
    """Stands for the end of the process."""


def test_an_interrupted_run_goes_on_and_ends_with_the_same(
    corpus: Path, run: Callable[..., Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(f"jsonl:{corpus}", out="whole")
    calls = 0

    def advance(self: PrepareProgress, num_bytes: int, num_tokens: int) -> None:
        nonlocal calls
        calls += bool(num_tokens)
        if calls == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PrepareProgress, "advance", advance)
        with pytest.raises(Killed):
            run(f"jsonl:{corpus}")
    with pytest.raises(UserError, match="is unfinished: run the same `mmbert prepare run` again"):
        load_manifest(tmp_path / "data")
    again = run(f"jsonl:{corpus}")
    assert run.said == [
        f"{again.root}: input was read already; not read again",
        f"{again.root}: 2 of 6 streams were done already; skipped",
    ]
    assert as_json(again) == as_json(whole)
    assert sorted(path.name for path in (again.root / ".prepare").iterdir()) == ["lock", "parts"]


def test_a_stream_that_kills_every_worker_is_named_and_the_others_are_done(
    corpus: Path, run: Callable[..., Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = _Worker.start

    def start_and_kill(self: _Worker, task: str) -> None:
        start(self, task)
        if task == "pack/tiny/deu/00000":
            self.process.kill()

    with monkeypatch.context() as patch:
        patch.setattr(_Worker, "start", start_and_kill)
        with pytest.raises(
            UserError, match=r"1 of 6 streams failed: pack/tiny/deu/00000: its worker process was killed by signal 9"
        ):
            run(f"jsonl:{corpus}", workers=2)
    assert sorted(path.parents[1].name for path in (tmp_path / "data/.prepare/units/tiny").glob("*/*/done.json")) == [
        "eng",
        "fao",
        "fra",
        "isl",
        "swh",
    ]
    assert run(f"jsonl:{corpus}").streams["tiny/deu"].blocks > 0


def test_bad_lines_are_counted_and_too_many_fail_before_any_work(
    corpus: Path, run: Callable[..., Manifest], tmp_path: Path
) -> None:
    good = corpus.read_bytes()
    corpus.write_bytes(good + b'{"text": "b\xffd"}\n')
    manifest = run(f"jsonl:{corpus}")
    assert manifest.ledger["bad_lines"] == {"invalid UTF-8": 1} == manifest.ledger["dropped"]
    assert manifest.ledger["documents"] == manifest.ledger["kept"] + 1
    assert "1 of 149 input lines left out (1 invalid UTF-8)" in run.said[0]
    assert f"{corpus}:149: invalid UTF-8 (byte 12 of the line)" in run.said[0]
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(good + b'{"text": "b\xffd"}\n\n')
    with pytest.raises(UserError, match=rf"2 of 150 input lines are bad.*more than the 1 allowed.*{bad}:149: invalid"):
        run(f"jsonl:{bad}", out="bad")
    assert not list((tmp_path / "bad").rglob("*.mds"))
    bad.write_bytes(good)
    assert run(f"jsonl:{bad}", out="bad").ledger["documents"] == 148
    bad.write_bytes(good + b'{"text": "b\xffd"}\n\n')
    assert run(f"jsonl:{bad}", out="tolerant", max_bad_fraction=0.1).ledger["bad_lines"] == {
        "invalid UTF-8": 1,
        "empty line": 1,
    }


def test_streams_without_a_training_block_are_listed_alone(run: Callable[..., Manifest], tmp_path: Path) -> None:
    lines = [("a", "deu"), ("same", "fra"), ("same", "fra"), ("x", "eng_Latn"), ("y", "eng"), ("z", None)]
    text = "".join(json.dumps({"text": t, "language": c}) + "\n" for t, c in lines)
    (tmp_path / "a.jsonl").write_text(text)
    manifest = run(f"jsonl:{tmp_path}/a.jsonl", licence="CC0")
    french = manifest.streams["jsonl/fra"]
    assert (french.blocks, french.documents, french.drops) == (0, 0, {"stream without a training document": 2})
    assert not manifest.stream_folder("jsonl/fra").exists()
    assert not manifest.heldout_folder("jsonl/fra").exists()
    german = manifest.streams["jsonl/deu"]
    assert (german.blocks, german.heldout_documents, german.licence) == (1, 0, "CC0")
    assert manifest.streams["jsonl/und"].blocks == 1
    assert "language eng also occurs as eng_Latn: these are different streams" in run.said
    assert "1 streams without a training block are listed in manifest.json, not written: jsonl/fra" in run.said
    ledger = manifest.ledger
    assert ledger["documents"] == 6 == ledger["kept"] + sum(ledger["dropped"].values())


def test_large_streams_hold_out_by_hash_and_at_most_64_blocks(run: Callable[..., Manifest], tmp_path: Path) -> None:
    texts = [f"document number {number} " + "of some length " * 8 for number in range(4000)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t, "language": "eng"}) + "\n" for t in texts))
    low = sorted(t.strip() for t in texts if xxh64_intdigest(t.strip()) < (2 << 64) // 100)
    entry = run(f"jsonl:{tmp_path}/a.jsonl", block_size=256).streams["jsonl/eng"]
    assert entry.heldout_documents == len(low)
    entry = run(f"jsonl:{tmp_path}/a.jsonl", out="small", block_size=48).streams["jsonl/eng"]
    assert 60 <= entry.heldout_blocks <= 64
    assert 0 < entry.heldout_documents < len(low)
    assert entry.documents + entry.heldout_documents == 4000


def test_settings_out_of_range_are_refused(corpus: Path, run: Callable[..., Manifest]) -> None:
    with pytest.raises(UserError, match="workers=0 must be at least 1"):
        run(f"jsonl:{corpus}", workers=0)
    with pytest.raises(UserError, match="block_size=4 must be at least 16"):
        run(f"jsonl:{corpus}", block_size=4)
    with pytest.raises(UserError, match=r"max_bad_fraction=2 must be in \[0, 1\)"):
        run(f"jsonl:{corpus}", max_bad_fraction=2)
    with pytest.raises(UserError, match="no tokenizer in"):
        prepare([f"jsonl:{corpus}"], corpus.parent, corpus.parent / "data")


def test_two_at_once_are_refused(corpus: Path, run: Callable[..., Manifest], tmp_path: Path) -> None:
    run(f"jsonl:{corpus}")
    with (tmp_path / "data/.prepare/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process is preparing"):
            run(f"jsonl:{corpus}")
