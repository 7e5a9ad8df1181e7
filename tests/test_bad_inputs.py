"""Bad inputs as a user gives them: each is one line that says what is wrong and what to do, and changes nothing.

Rows call the entry points in process. Nothing may be written, removed or overwritten, and nothing trained.
"""

import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from omegaconf import OmegaConf

from mmbert_composer.builders.check_nodes import check_ranks
from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.cli.main import main as mmbert
from mmbert_composer.config import parse_run_config
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.run_lock import RunLock
from mmbert_composer.train import main as train
from tests.conftest import run_settings, tiny_documents
from tests.test_nothing_executes import sharded, torch_file


class Place:
    """A folder to spoil things in, with the settings of a run on good data."""

    def __init__(self, root: Path, data: Path, finished: Path) -> None:
        self.root, self.data, self.finished = root, data, finished
        self.settings = run_settings(data, root / "run")
        self.settings["curriculum"]["phases"] = self.settings["curriculum"]["phases"][:2]
        self.settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
        self.out = root / "out"

    def yaml(self, text: str | bytes | None = None, name: str = "run.yaml") -> Path:
        """A YAML with that text, or with the settings."""
        path = self.root / name
        text = OmegaConf.to_yaml(OmegaConf.create(self.settings)) if text is None else text
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def file(self, name: str, content: str | bytes = "x") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def copy(self, what: Path, name: str) -> Path:
        return Path(shutil.copytree(what, self.root / name))

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Every file with its size and time, here and in what the tests share, but for what `prepare` can go on with."""
        roots = (self.root, self.data, self.finished)
        unfinished = self.root / "new" / ".prepare"
        files = [path for root in roots for path in root.rglob("*") if path.is_file()]
        files = [path for path in files if not path.is_relative_to(unfinished)]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


Arrange = Callable[[Place], list[object]]
ENTRIES: dict[str, Callable[[list[str]], int]] = {"train": train, "mmbert": mmbert}


class Row(NamedTuple):
    """``arrange`` spoils something and gives the arguments of ``entry``; ``message`` is what the error must match."""

    name: str
    entry: str
    arrange: Arrange
    message: str


def override(*overrides: str, **sections: Any) -> Arrange:
    """A good YAML and these overrides; {root} is the place's folder."""

    def arrange(place: Place) -> list[object]:
        place.settings |= sections
        return [place.yaml(), *(text.replace("{root}", str(place.root)) for text in overrides)]

    return arrange


def text(content: str | bytes) -> Arrange:
    """A YAML with this text."""
    return lambda place: [place.yaml(content)]


def spoiled_data(spoil: Callable[[Path], object], *command: str) -> Arrange:
    """Train on, or run ``command`` on, a spoiled copy of the data."""

    def arrange(place: Place) -> list[object]:
        copy = place.copy(place.data, "data")
        spoil(copy)
        return [*command, copy] if command else [place.yaml(), f"data.root={copy}"]

    return arrange


def spoiled_run(spoil: Callable[[Path], object], *overrides: str) -> Arrange:
    """Go on with a spoiled copy of the finished run."""

    def arrange(place: Place) -> list[object]:
        copy = place.copy(place.finished, "run")
        spoil(copy)
        return [place.yaml(), *overrides]

    return arrange


def load(path: str, how: str, *overrides: str) -> Arrange:
    """Start from ``path``: {run} is the finished run, {root} the place's folder."""

    def arrange(place: Place) -> list[object]:
        full = path.format(run=place.finished, root=place.root, data=place.data)
        return [place.yaml(), f"load_path={full}", f"load_as={how}", *overrides]

    return arrange


def crafted(craft: Callable[[Path, Path], None], how: str) -> Arrange:
    """Start from a checkpoint that ``craft`` wrote; its payload would write a file beside it."""

    def arrange(place: Place) -> list[object]:
        path = place.root / "ep1-ba1-rank0.pt"
        craft(path, place.root / "touched")
        return [place.yaml(), f"load_path={path}", f"load_as={how}"]

    return arrange


def command(*arguments: str) -> Arrange:
    """A command; {root}, {data} and {run} are the places."""
    return lambda place: [text.format(root=place.root, data=place.data, run=place.finished) for text in arguments]


def after(prepare: Callable[[Place], object], arrange: Arrange) -> Arrange:
    """``prepare`` something first."""

    def both(place: Place) -> list[object]:
        prepare(place)
        return arrange(place)

    return both


def edit_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return edit


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    return lambda folder: (
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode()) and None
    )


def every_checkpoint(change: Callable[[bytearray], object]) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        for file in named_checkpoints(run):
            content = bytearray(file.path.read_bytes())
            change(content)
            file.path.write_bytes(content)

    return spoil


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def cut(content: bytearray) -> None:
    del content[-50:]


MIXTURE = "curriculum.phases.0.mixture"
SOURCE = f"{MIXTURE}.tiny"
PREPARE = ("prepare", "run", "--tokenizer", "{data}/tokenizer", "--out", "{root}/new", "--block-size", "64", "--input")
TEXT = "".join(json.dumps(document) + "\n" for document in tiny_documents()[:50])

SETTINGS = [
    Row("a folder", "train", lambda place: [place.root], "cannot be read: Is a directory"),
    Row("no such file", "train", lambda place: [place.root / "none.yaml"], "none.yaml: cannot be read: No such file"),
    Row("empty", "train", text(""), r"data\.block_size is missing"),
    Row("binary", "train", text(b"\x00\xff\xfePK"), "run.yaml: not a YAML file: it is no text in UTF-8"),
    Row("a number", "train", text("5"), "run.yaml: holds '5', expected keys such as data:"),
    Row("a list", "train", text("- 1\n- 2\n"), r"run.yaml: holds \[1, 2\], expected keys"),
    Row("a key twice", "train", text("seed: 1\nseed: 2\n"), "run.yaml: not a YAML file: .*found duplicate key seed"),
    Row("tabs", "train", text("data:\n\troot: x\n"), "indented by spaces, not by tabs"),
    Row("a circle", "train", after(lambda p: p.yaml("extends: run.yaml", "b.yaml"), text("extends: b.yaml")),
        "extends goes in a circle: run.yaml -> b.yaml -> run.yaml"),
    Row("extends a number", "train", text("extends: 5"), "extends: 5 must be a file, or a list of files"),
    Row("extends nothing", "train", text("extends: gone.yaml"), r"gone.yaml: cannot be read \(extended by"),
    Row("an interpolation", "train", text("seed: ${sede}"), "seed: Interpolation key 'sede' not found"),
    Row("no =", "train", override("seed"), "override 'seed' is not of the form key=value"),
    Row("an unknown key", "train", override("sede=3"), r"unknown key sede: did you mean seed\?"),
    Row("an unknown key inside", "train", override("data.bloc_size=3"), r"unknown key data.bloc_size: did you mean block_"),
    Row("an unknown key of the model", "train", override("model.hidden_sise=3"), r"model.hidden_sise .*hidden_size"),
    Row("a phase beyond the last", "train", override("curriculum.phases.9.mask_ratio=0.1"), "list index out of range"),
    Row("a negative duration", "train", override("curriculum.phases.0.duration=-5tok"), "'-5tok' is not a number of tok"),
    Row("no duration", "train", override("curriculum.phases.0.duration=0tok"), "'0tok' must be above 0 tokens"),
    Row("an endless duration", "train", override("curriculum.phases.0.duration=9_999Ttok"), r"raise data\.segment_blocks"),
    Row("shares", "train", override(f"{SOURCE}.share=0.5"), "phase 'one': the shares of tiny sum to 0.5, not 1"),
    Row("a share of nothing", "train", override(f"{SOURCE}.share=0", "curriculum.phases.0.normalize=true"),
        "mixture.tiny: share=0 must be a number above 0"),
    Row("a mixture of a name", "train", override(f"{MIXTURE}=tiny"), "phase 'one': mixture: expected keys and values"),
    Row("a language the data lacks", "train", override(f"{SOURCE}.languages=[eng, dut]"), r"lacks dut \(nearest: deu\)"),
    Row("a source the data lacks", "train", override(f"{MIXTURE}={{tiny: null, tinny: {{share: 1}}}}"),
        "no source 'tinny'; did you mean 'tiny'"),
    Row("no file of languages", "train", override(f"{SOURCE}.languages={{root}}/none.txt"), "none.txt cannot be read"),
    Row("languages that are no text", "train",
        after(lambda p: p.file("codes.txt", b"\xff\xfe"), override(f"{SOURCE}.languages={{root}}/codes.txt")),
        "codes.txt is no text in UTF-8"),
    Row("Norwegian", "train", override(f"{SOURCE}.languages=[no, eng]"), 'YAML reads the code no as False; quote it: "no"'),
    Row("no languages", "train", override(f"{SOURCE}.languages=[]"), "mixture.tiny: languages is empty; leave it out"),
    Row("tau that is no number", "train", override(f"{SOURCE}.tau=.nan"), "phase 'one': mixture.tiny.tau: nan must be a"),
    Row("a mask ratio in per cent", "train", override("curriculum.phases.0.mask_ratio=30"), r"=30 must be in \(0, 1\)"),
    Row("a context above the blocks", "train", override("curriculum.phases.0.max_seq_len=8192"), "above the block size"),
    Row("too many passes", "train", override("curriculum.max_passes=0.1"), "the longest feasible duration of this phase"),
    Row("a batch that does not fit", "train", override("global_train_batch_size=3"), "not a multiple of batch_size_mult"),
    Row("a learning rate as text", "train", override("optimizer.lr=3e-4x"), r"optimizer.lr='3e-4x' must be a number"),
    Row("a learning rate of nan", "train", override("optimizer.lr=.nan"), "optimizer.lr=nan must be a number"),
    Row("one beta", "train", override("optimizer.betas=5"), r"optimizer.betas=5 must be two numbers in \[0, 1\)"),
    Row("heads", "train", override("model.num_attention_heads=5"), "must be an even multiple of num_attention_heads=5"),
    Row("a seed too large", "train", override("seed=99999999999"), "seed=99999999999 must be at most 4294967295"),
    Row("an unknown callback", "train", override("callbacks.sample_logg={}"), "unknown callback 'sample_logg': did you"),
    Row("a merge without its base", "train",
        override("callbacks.checkpoint_merging={method: ties, base: /nowhere}"), "merge: base=/nowhere does not exist"),
    Row("an export to a number", "train", override("callbacks.huggingface_export.out=5"), "out=5 must be a folder"),
    Row("an unknown scheduler", "train", override(
        "scheduler={name: warm}", "curriculum.phases.0.lr=null", "curriculum.phases.1.batch_size=null"),
        "unknown scheduler 'warm': known are constant"),
]  # fmt: skip

DATA = [
    Row("no data", "train", override("data.root=/nowhere"), r"no data in /nowhere: .*mmbert prepare run --out /nowhere"),
    Row("a file", "train", after(lambda p: p.file("afile"), override("data.root={root}/afile")), "no data in .*afile"),
    Row("no data.root", "train", override("data.root=null"), r"data\.root is missing; set data\.root=FOLDER"),
    Row("another block size", "train", override("data.block_size=128"), "blocks hold 64 tokens, but data.block_size is 128"),
    Row("unfinished", "train", spoiled_data(lambda d: (d / "manifest.json").unlink()), "is unfinished: run the same `mmb"),
    Row("a manifest cut short", "train", spoiled_data(write("manifest.json", '{"format')), "is not a manifest .*again"),
    Row("a manifest of another format", "train", spoiled_data(edit_json("manifest.json", lambda m: m.update(format=9))),
        "has format 9; this version reads format 1: prepare the data again"),
    Row("another tokenizer", "train",
        spoiled_data(edit_json("tokenizer/tokenizer.json", lambda t: t["model"]["merges"].pop())), "is not the one of the bl"),
    Row("no tokenizer", "train", spoiled_data(lambda d: shutil.rmtree(d / "tokenizer")), "no tokenizer in .*data/tokenizer"),
    Row("a tokenizer of nothing", "train", spoiled_data(write("tokenizer/tokenizer.json", '{"model": 5}')), "is no tokenizer"),
    Row("an index of garbage", "mmbert", spoiled_data(write("tiny/eng/index.json", "[]"), "prepare", "verify"),
        r"1 faults: .*tiny/eng/index\.json cannot be read"),
    Row("pickled columns", "mmbert", spoiled_data(
        edit_json("tiny/eng/index.json", lambda i: i["shards"][0].update(column_encodings=["pkl"])), "prepare", "verify"),
        r"index\.json says that its columns are pkl, which no `mmbert prepare` wrote"),
    Row("a shard outside", "mmbert", spoiled_data(edit_json(
        "tiny/eng/index.json", lambda i: i["shards"][0]["raw_data"].update(basename="../../x")), "prepare", "verify"),
        r"index\.json lists"),
    Row("a shard too few", "mmbert", spoiled_data(lambda d: (d / "tiny/eng/shard.00000.mds").unlink(), "prepare", "verify"),
        r"shard\.00000\.mds is missing.*prepare it again"),
    Row("a flipped byte", "mmbert", spoiled_data(
        lambda d: write("tiny/eng/shard.00000.mds", bytes(7765))(d), "prepare", "verify"), "has xxh64|bytes instead of"),
    Row("no input", "mmbert", command(*PREPARE, "jsonl:{root}/none/*.jsonl"), r"none/\*\.jsonl"),
    Row("an input of no kind", "mmbert", command(*PREPARE, "{root}/x.jsonl"), "x.jsonl"),
    Row("a gz cut short", "mmbert", after(
        lambda p: p.file("x.jsonl.gz", gzip.compress(TEXT.encode())[:-40]), command(*PREPARE, "jsonl:{root}/x.jsonl.gz")),
        r"x\.jsonl\.gz"),
    Row("bad lines", "mmbert", after(lambda p: p.file("x.jsonl", TEXT + "{\n" * 9), command(*PREPARE, "jsonl:{root}/x.jsonl")),
        "bad"),
]  # fmt: skip

CHECKPOINTS = [
    Row("nowhere", "train", load("/nowhere", "resume"), "load_path /nowhere does not exist"),
    Row("without load_as", "train", override("load_path={root}"), "load_as must say how to start from it: resume"),
    Row("another load_as", "train", load("{run}", "contine"), "it is 'contine'"),
    Row("remote", "train", load("s3://bucket/run", "resume"), r"load_path=s3://bucket/run: runs and checkpoints lie on a d"),
    Row("a folder without", "train", load("{data}", "continue"), "holds no complete checkpoint"),
    Row("a model to be resumed", "train", load("{run}/hf", "resume"), "holds weights alone: use load_as: weights"),
    Row("another file", "train", load("{run}/hf/model.safetensors", "continue"), "name their folder, with load_as: wei"),
    Row("one that is over", "train", load("{run}", "resume"), "there is nothing to resume. To train on .* load_as: cont"),
    Row("another data.seed", "train", load("{run}", "continue", "data.seed=9"), "Remove data.seed, or set it to 3"),
    Row("another size", "train", load("{run}", "weights", "model.hidden_size=64"), "do not fit the keys of model: "),
    Row("another plan", "train", spoiled_run(lambda run: None, f"{SOURCE}.languages=3"),
        "holds a run with another plan: they differ in segment 0"),
    Row("malicious, to be resumed", "train", crafted(torch_file, "resume"), "refused, it asks for posix.system"),
    Row("malicious, to be continued", "train", crafted(torch_file, "continue"), "refused, it asks for posix.system"),
    Row("malicious, as weights", "train", crafted(torch_file, "weights"), "refused, it asks for posix.system"),
    Row("sharded", "train", after(lambda p: sharded(p.root / "fsdp", p.root / "touched"), load("{root}/fsdp", "weights")),
        "a sharded checkpoint .*save its weights alone as safetensors"),
    Row("pickled weights", "train", after(
        lambda p: [p.file("model/config.json", "{}"), torch.save({}, p.root / "model/pytorch_model.bin")],
        load("{root}/model", "weights")), "its weights are pickled|config"),
    Row("all cut short", "train", spoiled_run(every_checkpoint(cut)), r"\d checkpoints and none can be used .*incomplete"),
    Row("all with a flipped byte", "train", spoiled_run(every_checkpoint(flip)), "none can be used .*another xxh64"),
    Row("a plan of garbage", "train", spoiled_run(write("plan.json", "{")), r"plan\.json: not a readable plan"),
    Row("autoresume is off", "train", spoiled_run(lambda run: None, "autoresume=false"), "holds a run and autoresume is fal"),
]  # fmt: skip

COMMANDS = [
    Row("an unknown command", "mmbert", command("plant"), "No such command 'plant'"),
    Row("a report of nothing", "mmbert", command("report", "{data}"), "there is no readable metrics.jsonl in this folder"),
    Row("runs of nothing", "mmbert", command("runs", "ls", "{data}"), "no run in it .*name a run's save_folder"),
    Row("a plan to a folder", "mmbert", lambda p: ["plan", p.yaml(), "--json", p.root], "cannot be written: Is a directory; name a file"),
    Row("a plan from nowhere", "mmbert", lambda p: ["plan", p.yaml(), "--from", "/nowhere"], "/nowhere"),
    Row("counts without columns", "mmbert", lambda p: [
        "plan", p.yaml(), "data.root=null", f"data.counts={p.file('c.csv', 'a,b')}"], "needs the columns source, language"),
    Row("init where something is", "mmbert", command("init", "{data}"), "exists and is not empty; nothing was written"),
    Row("an export that exists", "mmbert", command("export", "{run}", "--out", "{run}/hf"), "hf.* exists"),
    Row("an export of data", "mmbert", command("export", "{data}", "--out", "{root}/o"), "model_config.json|checkpoint"),
    Row("a merge that exists", "mmbert", command("merge", "{run}/hf", "{run}/merged", "--out", "{run}/hf"), "exists"),
    Row("a merge of one method", "mmbert", command("merge", "{run}/hf", "{run}/hf", "--method", "tise", "--out", "{root}/o"),
        "method='tise' must be one of linear"),
    Row("an import of data", "mmbert", command("import", "{data}", "--out", "{root}/o"), r"config\.json"),
    Row("a tokenizer of too few", "mmbert", after(lambda p: p.file("x.jsonl", TEXT), command(
        "tokenizer", "train", "--input", "jsonl:{root}/x.jsonl", "--vocab-size", "9", "--out", "{root}/t")), "vocab"),
]  # fmt: skip

ENVIRONMENT = [
    Row("a save_folder below a file", "train", after(lambda p: p.file("afile"), override("save_folder={root}/afile/run")),
        "save_folder .*afile/run cannot be written to: Not a directory"),
    Row("a save_folder that is a file", "train", after(lambda p: p.file("afile"), override("save_folder={root}/afile")),
        "afile is a file; name a folder"),
    Row("a save_folder of another kind", "train", override("save_folder=/proc/run"), "/proc/run cannot be written to: No such"),
    Row("a remote save_folder", "train", override("save_folder=s3://bucket/run"), "save_folder=s3://bucket/run: runs and"),
    Row("a thesis in it", "train", after(lambda p: p.file("run/thesis.tex"), override()), "something else than a run .thesis"),
    Row("no flash-attn", "train", override("model.attention=flash_attn"), "attention=flash_attn .*choose one that works"),
    Row("fp16 on a CPU", "train", override("precision=amp_fp16"), "precision=amp_fp16 needs a GPU, and there is none here"),
]  # fmt: skip

TABLE = [
    (group, row)
    for group, rows in {
        "settings": SETTINGS,
        "data": DATA,
        "checkpoints": CHECKPOINTS,
        "commands": COMMANDS,
        "environment": ENVIRONMENT,
    }.items()
    for row in rows
]


@pytest.fixture
def place(tmp_path: Path, tiny_data: Path, finished_run: Path) -> Place:
    return Place(tmp_path, tiny_data, finished_run)


@pytest.mark.parametrize("row", [row for _, row in TABLE], ids=[f"{group}: {row.name}" for group, row in TABLE])
def test_bad_input(row: Row, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if row.name in ("no flash-attn", "fp16 on a CPU") and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.chdir(place.root)
    arguments = [str(argument) for argument in row.arrange(place)]
    before = place.snapshot()
    code = ENTRIES[row.entry](arguments)
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
    with pytest.raises(UserError, match="rank 2 is on a node of 1 ranks, rank 0 on one of 2, 4 in all: start the same"):
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
