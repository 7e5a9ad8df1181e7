"""Bad inputs as a user gives them: each is one line that says what is wrong and what to do, and changes nothing.

Rows call the entry points in process. Nothing may be written, removed or overwritten, and nothing trained.
"""

import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmbert_composer.builders.check_nodes import check_ranks
from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.cli.main import main as mmbert
from mmbert_composer.config import parse_run_config
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.run_lock import RunLock
from mmbert_composer.train import main as train
from tests.conftest import tiny_documents
from tests.spoiling import (
    Place,
    Row,
    after,
    command,
    crafted,
    cut,
    edit_json,
    every_checkpoint,
    flip,
    flipped,
    load,
    override,
    spoiled_data,
    spoiled_run,
    text,
    write,
)
from tests.test_nothing_executes import sharded, torch_file

INDEX, SHARD = "tiny/eng/index.json", "tiny/eng/shard.00000.mds"
MIXTURE = "curriculum.phases.0.mixture"
SOURCE = f"{MIXTURE}.tiny"
PREPARE = ("prepare", "run", "--tokenizer", "{data}/tokenizer", "--out", "{root}/new", "--block-size", "64", "--input")
TEXT = "".join(json.dumps(document) + "\n" for document in tiny_documents()[:50])

SETTINGS = [
    Row("a folder", lambda place: [place.root], "cannot be read: Is a directory"),
    Row("no such file", lambda place: [place.root / "none.yaml"], "none.yaml: cannot be read: No such file"),
    Row("empty", text(""), r"data\.block_size is missing"),
    Row("binary", text(b"\x00\xff\xfePK"), "run.yaml: not a YAML file: it is no text in UTF-8"),
    Row("a number", text("5"), "run.yaml: holds '5', expected keys such as data:"),
    Row("a list", text("- 1\n- 2\n"), r"run.yaml: holds \[1, 2\], expected keys"),
    Row("a key twice", text("seed: 1\nseed: 2\n"), "run.yaml: not a YAML file: .*found duplicate key seed"),
    Row("tabs", text("data:\n\troot: x\n"), "indented by spaces, not by tabs"),
    Row("a circle", after(lambda p: p.yaml("extends: run.yaml", "b.yaml"), text("extends: b.yaml")),
        "extends goes in a circle: run.yaml -> b.yaml -> run.yaml"),
    Row("extends a number", text("extends: 5"), "extends: 5 must be a file, or a list of files"),
    Row("extends nothing", text("extends: gone.yaml"), r"gone.yaml: cannot be read \(extended by"),
    Row("an interpolation", text("seed: ${sede}"), "seed: Interpolation key 'sede' not found"),
    Row("no =", override("seed"), "override 'seed' is not of the form key=value"),
    Row("an unknown key", override("sede=3"), r"unknown key sede: did you mean seed\?"),
    Row("an unknown key inside", override("data.bloc_size=3"), r"unknown key data.bloc_size: did you mean block_"),
    Row("an unknown key of the model", override("model.hidden_sise=3"), r"model.hidden_sise .*hidden_size"),
    Row("a phase beyond the last", override("curriculum.phases.9.mask_ratio=0.1"), "list index out of range"),
    Row("a negative duration", override("curriculum.phases.0.duration=-5tok"), "'-5tok' is not a number of tok"),
    Row("no duration", override("curriculum.phases.0.duration=0tok"), "'0tok' must be above 0 tokens"),
    Row("an endless duration", override("curriculum.phases.0.duration=9_999Ttok"), r"raise data\.segment_blocks"),
    Row("shares", override(f"{SOURCE}.share=0.5"), "phase 'one': the shares of tiny sum to 0.5, not 1"),
    Row("a share of nothing", override(f"{SOURCE}.share=0", "curriculum.phases.0.normalize=true"),
        "mixture.tiny: share=0 must be a number above 0"),
    Row("a mixture of a name", override(f"{MIXTURE}=tiny"), "phase 'one': mixture: expected keys and values"),
    Row("a language the data lacks", override(f"{SOURCE}.languages=[eng, dut]"), r"lacks dut \(nearest: deu\)"),
    Row("a source the data lacks", override(f"{MIXTURE}={{tiny: null, tinny: {{share: 1}}}}"),
        "no source 'tinny'; did you mean 'tiny'"),
    Row("no file of languages", override(f"{SOURCE}.languages={{root}}/none.txt"), "none.txt cannot be read"),
    Row("languages that are no text",
        after(lambda p: p.file("codes.txt", b"\xff\xfe"), override(f"{SOURCE}.languages={{root}}/codes.txt")),
        "codes.txt is no text in UTF-8"),
    Row("Norwegian", override(f"{SOURCE}.languages=[no, eng]"), 'YAML reads the code no as False; quote it: "no"'),
    Row("no languages", override(f"{SOURCE}.languages=[]"), "mixture.tiny: languages is empty; leave it out"),
    Row("tau that is no number", override(f"{SOURCE}.tau=.nan"), "phase 'one': mixture.tiny.tau: nan must be a"),
    Row("a mask ratio in per cent", override("curriculum.phases.0.mask_ratio=30"), r"=30 must be in \(0, 1\)"),
    Row("a context above the blocks", override("curriculum.phases.0.max_seq_len=8192"), "above the block size"),
    Row("too many passes", override("curriculum.max_passes=0.1"), "the longest feasible duration of this phase"),
    Row("a batch that does not fit", override("global_train_batch_size=3"), "not a multiple of batch_size_mult"),
    Row("a learning rate as text", override("optimizer.lr=3e-4x"), r"optimizer.lr='3e-4x' must be a number"),
    Row("a learning rate of nan", override("optimizer.lr=.nan"), "optimizer.lr=nan must be a number"),
    Row("one beta", override("optimizer.betas=5"), r"optimizer.betas=5 must be two numbers in \[0, 1\)"),
    Row("heads", override("model.num_attention_heads=5"), "must be an even multiple of num_attention_heads=5"),
    Row("a seed too large", override("seed=99999999999"), "seed=99999999999 must be at most 4294967295"),
    Row("an unknown callback", override("callbacks.sample_logg={}"), "unknown callback 'sample_logg': did you"),
    Row("a merge without its base",
        override("callbacks.checkpoint_merging={method: ties, base: /nowhere}"), "merge: base=/nowhere does not exist"),
    Row("an export to a number", override("callbacks.huggingface_export.out=5"), "out=5 must be a folder"),
    Row("an unknown scheduler", override(
        "scheduler={name: warm}", "curriculum.phases.0.lr=null", "curriculum.phases.1.batch_size=null"),
        "unknown scheduler 'warm': known are constant"),
]  # fmt: skip

DATA = [
    Row("no data", override("data.root=/nowhere"), r"no data in /nowhere: .*mmbert prepare run --out /nowhere"),
    Row("a file", after(lambda p: p.file("x.tex"), override("data.root={root}/x.tex")), "no data in .*x.tex"),
    Row("no data.root", override("data.root=null"), r"data\.root is missing; set data\.root=FOLDER"),
    Row("another block size", override("data.block_size=128"), "blocks hold 64 tokens, but data.block_size is 128"),
    Row("unfinished", spoiled_data(lambda d: (d / "manifest.json").unlink()), "is unfinished: run the same `mmb"),
    Row("a manifest cut short", spoiled_data(write("manifest.json", '{"format')), "is not a manifest .*again"),
    Row("a manifest of another format", spoiled_data(edit_json("manifest.json", lambda m: m.update(format=9))),
        "has format 9; this version reads format 1: prepare the data again"),
    Row("another tokenizer",
        spoiled_data(edit_json("tokenizer/tokenizer.json", lambda t: t["model"]["merges"].pop())),
        "is not the one of the blocks"),
    Row("no tokenizer", spoiled_data(lambda d: shutil.rmtree(d / "tokenizer")), "no tokenizer in .*data/tokenizer"),
    Row("a tokenizer of nothing", spoiled_data(write("tokenizer/tokenizer.json", '{"model": 5}')), "is no tokenizer"),
]  # fmt: skip

PREPARED = [
    Row("an index of garbage", spoiled_data(write(INDEX, "[]"), "prepare", "verify"),
        r"1 faults: .*tiny/eng/index\.json is not the index of a stream"),
    Row("pickled columns", spoiled_data(
        edit_json(INDEX, lambda index: index["shards"][0].update(column_encodings=["pkl"] * 2)), "prepare", "verify"),
        r"index\.json: its shards are mds, with the columns .*the block format has"),
    Row("a shard outside", spoiled_data(
        edit_json(INDEX, lambda index: index["shards"][0]["raw_data"].update(basename="../x")), "prepare", "verify"),
        r"index\.json: it names the file '\.\./x': the shards of a stream lie in its own folder"),
    Row("a shard too few",
        spoiled_data(lambda data: (data / SHARD).unlink(), "prepare", "verify"),
        r"shard\.00000\.mds is missing.*prepare it again"),
    Row("a flipped byte", spoiled_data(flipped(SHARD), "prepare", "verify"), r"shard\.00000\.mds has xxh64 \w+ inst"),
    Row("no input", command(*PREPARE, "jsonl:{root}/none/*.jsonl"), r"no file matches .*none/\*\.jsonl"),
    Row("an input of no kind", command(*PREPARE, "x.jsonl"), "must be one of jsonl:, parquet:, text:"),
    Row("a gz cut short",
        after(lambda p: p.file("x.jsonl.gz", gzip.compress(TEXT.encode())[:-40]),
            command(*PREPARE, "jsonl:x.jsonl.gz")),
        r"x\.jsonl\.gz: compressed data is damaged after line \d+ .*: get the file again"),
    Row("bad lines", after(lambda p: p.file("x.jsonl", TEXT + "{\n" * 9), command(*PREPARE, "jsonl:x.jsonl")),
        "9 of 59 input lines are bad .*more than the 1 allowed by max-bad-fraction 0.001; first: "),
]  # fmt: skip

CHECKPOINTS = [
    Row("nowhere", load("/nowhere", "resume"), "load_path /nowhere does not exist"),
    Row("without load_as", override("load_path={root}"), "load_as must say how to start from it: resume"),
    Row("another load_as", load("{run}", "later"), "it is 'later'"),
    Row("remote", load("s3://bucket/run", "resume"), r"load_path=s3://bucket/run: runs and checkpoints lie on a d"),
    Row("a folder without", load("{data}", "continue"), "holds no complete checkpoint"),
    Row("a model to be resumed", load("{run}/hf", "resume"), "holds weights alone: use load_as: weights"),
    Row("another file", load("{run}/hf/model.safetensors", "continue"), "name their folder, with load_as: wei"),
    Row("one that is over", load("{run}", "resume"), "there is nothing to resume. To train on .* load_as: cont"),
    Row("another data.seed", load("{run}", "continue", "data.seed=9"), "Remove data.seed, or set it to 3"),
    Row("another size", load("{run}", "weights", "model.hidden_size=64"), "do not fit the keys of model: "),
    Row("another plan", spoiled_run(lambda run: None, f"{SOURCE}.languages=3"),
        "holds a run with another plan: they differ in segment 0"),
    Row("malicious, to be resumed", crafted(torch_file, "resume"), "refused, it asks for posix.system"),
    Row("malicious, to be continued", crafted(torch_file, "continue"), "refused, it asks for posix.system"),
    Row("malicious, as weights", crafted(torch_file, "weights"), "refused, it asks for posix.system"),
    Row("sharded", after(lambda p: sharded(p.root / "fsdp", p.root / "touched"), load("{root}/fsdp", "weights")),
        "a sharded checkpoint .*save its weights alone as safetensors"),
    Row("pickled weights", after(
        lambda p: [p.file("model/config.json", "{}"), torch.save({}, p.root / "model/pytorch_model.bin")],
        load("{root}/model", "weights")), r"its weights are pickled \(pytorch_model.bin\)"),
    Row("all cut short", spoiled_run(every_checkpoint(cut)), r"\d checkpoints and none can be used .*incomplete"),
    Row("all with a flipped byte", spoiled_run(every_checkpoint(flip)), "none can be used .*another xxh64"),
    Row("a plan of garbage", spoiled_run(write("plan.json", "{")), r"plan\.json: not a readable plan"),
    Row("autoresume is off", spoiled_run(lambda run: None, "autoresume=false"), "holds a run and autoresume is fal"),
]  # fmt: skip

COMMANDS = [
    Row("an unknown command", command("plant"), "No such command 'plant'"),
    Row("a report of nothing", command("report", "{data}"), "there is no readable metrics.jsonl in this folder"),
    Row("runs of nothing", command("runs", "ls", "{data}"), "no run in it .*name a run's save_folder"),
    Row("a plan to a folder", lambda p: ["plan", p.yaml(), "--json", p.root], "cannot be written: Is a dir.*; name a"),
    Row("a plan from nowhere", lambda p: ["plan", p.yaml(), "--from", "/nowhere"], "/nowhere: no such checkpoint"),
    Row("counts without columns", lambda p: [
        "plan", p.yaml(), "data.root=null", f"data.counts={p.file('c.csv', 'a,b')}"], "needs the columns source, lang"),
    Row("init where something is", command("init", "{data}"), "exists and is not empty; nothing was written"),
    Row("an export that exists", command("export", "{run}", "--out", "{run}/hf"), "hf: exists already; choose another"),
    Row("an export of data", command("export", "{data}", "--out", "{root}/o"), "no model_config.json beside it"),
    Row("a merge that exists", command("merge", "{run}/hf", "{run}/merged", "--out", "{run}/hf"), "hf: exists alre"),
    Row("a merge of one method", command("merge", "{run}/hf", "{run}/hf", "--method", "tise", "--out", "{root}/o"),
        "method='tise' must be one of linear"),
    Row("an import of data", command("import", "{data}", "--out", "{root}/o"), r"no config\.json in it; expected"),
    Row("a tokenizer of too few", after(lambda p: p.file("x.jsonl", TEXT), command(
        "tokenizer", "train", "--input", "jsonl:x.jsonl", "--vocab-size", "9", "--out", "{root}/t")), "vocab"),
]  # fmt: skip

ENVIRONMENT = [
    Row("a save_folder below a file", after(lambda p: p.file("x.tex"), override("save_folder={root}/x.tex/run")),
        "save_folder .*x.tex/run cannot be written to: Not a directory"),
    Row("a save_folder that is a file", after(lambda p: p.file("x.tex"), override("save_folder={root}/x.tex")),
        "x.tex is a file; name a folder"),
    Row("a save_folder of another kind", override("save_folder=/proc/run"), "/proc/run cannot be written to: No such"),
    Row("a remote save_folder", override("save_folder=s3://bucket/run"), "save_folder=s3://bucket/run: runs and"),
    Row("a thesis in it", after(lambda p: p.file("run/thesis.tex"), override()), "something else than a run .thesis"),
    Row("no flash-attn", override("model.attention=flash_attn"), "attention=flash_attn .*choose one that works"),
    Row("fp16 on a CPU", override("precision=amp_fp16"), "precision=amp_fp16 needs a GPU, and there is none here"),
]  # fmt: skip

ENTRIES: dict[str, Callable[[list[str]], int]] = {"commands": mmbert, "prepared": mmbert}
"""Of the other groups it is train."""

TABLE = [
    (group, row)
    for group, rows in {
        "settings": SETTINGS,
        "data": DATA,
        "prepared": PREPARED,
        "checkpoints": CHECKPOINTS,
        "commands": COMMANDS,
        "environment": ENVIRONMENT,
    }.items()
    for row in rows
]


@pytest.fixture
def place(tmp_path: Path, tiny_data: Path, finished_run: Path) -> Place:
    return Place(tmp_path, tiny_data, finished_run)


@pytest.mark.parametrize(("group", "row"), TABLE, ids=[f"{group}: {row.name}" for group, row in TABLE])
def test_bad_input(
    group: str, row: Row, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if row.name in ("no flash-attn", "fp16 on a CPU") and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.chdir(place.root)
    arguments = [str(argument) for argument in row.arrange(place)]
    before = place.snapshot()
    code = ENTRIES.get(group, train)(arguments)
    shown = capsys.readouterr()
    assert code == 1
    assert re.search(row.message, shown.err.replace("\n", " ")), shown.err
    assert "Traceback" not in shown.err + shown.out
    assert place.snapshot() == before


def test_there_are_enough_rows() -> None:
    assert len(TABLE) >= 100
    assert len({f"{group}: {row.name}" for group, row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("ranks", [3, 8])
def test_ranks_that_do_not_divide_the_batch(place: Place, ranks: int) -> None:
    curriculum = parse_run_config(place.settings).curriculum
    with pytest.raises(
        UserError, match=f"{ranks} ranks cannot share batches that are multiples of 2 blocks; use 1, 2 r"
    ):
        micro_batch_size(curriculum, ranks, 2)


def test_nodes_that_are_unlike() -> None:
    with pytest.raises(UserError, match="4 ranks on nodes of 1, 2 ranks: start the same number on every node"):
        check_ranks([(0, 2), (1, 2), (0, 1), (0, 1)])


def test_a_save_folder_in_use(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    lock = RunLock(place.root / "run")
    lock.acquire()
    try:
        assert train([str(place.yaml())]) == 1
    finally:
        lock.release()
    assert "is in use by this process" in capsys.readouterr().err


@pytest.mark.parametrize(("change", "why"), [(cut, "incomplete"), (flip, "damaged")])
def test_the_newest_valid_checkpoint_is_taken_instead(
    place: Place, caplog: pytest.LogCaptureFixture, change: Callable[[bytearray], object], why: str
) -> None:
    """The run goes on from there, and ends as it had ended."""
    run = place.copy(place.finished, "run")
    newest, before = sorted((file.path for file in named_checkpoints(run)), key=lambda path: path.stat().st_mtime)[
        :-3:-1
    ]
    content = bytearray(newest.read_bytes())
    change(content)
    newest.write_bytes(content)
    ended = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-2:]
    with caplog.at_level("INFO"):
        assert train([str(place.yaml())]) == 0
    assert f"skipped checkpoint {newest}: {why}" in caplog.text
    assert f"resume from {before}" in caplog.text
    again = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-2:]
    assert [row.get("loss") for row in again] == [row.get("loss") for row in ended]
