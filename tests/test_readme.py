"""Every command and every Python example of the README runs, in process, with runs shortened by overrides."""

import json
import re
import shutil

import pytest

from mmbert_composer.cli.main import main as mmbert
from tests.conftest import ROOT, tiny_documents
from tests.documents import Document, run_command, shortened

README = Document(ROOT / "README.md")
SHORT = [*shortened(3, 16_384, 8_192), "curriculum.phases.0.batch_size.over=8_192tok", "data.segment_blocks=16"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder like the repository's root with `mytext/` in it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "mytext").mkdir()
    for seed in range(3):
        lines = [json.dumps(document) for document in tiny_documents(seed)]
        (folder / "mytext" / f"{seed}.jsonl").write_text("\n".join(lines) + "\n")
    shutil.copytree(ROOT / "yamls", folder / "yamls")
    return folder


@pytest.fixture
def there(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    return workplace


def test_your_own_text(there):
    (text,) = [block for block in README.blocks("bash", "") if "tokenizer train" in block]
    for command in text.splitlines():
        run_command(command, SHORT)
    assert (there / "runs/mine/report.html").exists()
    assert (there / "runs/mine/merged/model.safetensors").exists()


def test_little_text(there, capsys):
    """The shorter phases fit text of which the phases as they are want too much."""
    from mmbert_composer.data.prepare import prepare

    (there / "little").mkdir()
    documents = [document for seed in range(10, 13) for document in tiny_documents(seed)]
    (there / "little" / "0.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    manifest = prepare(["jsonl:little/*.jsonl"], "tok", "little-data", block_size=1024, say=lambda line: None)
    assert 20_000 < sum(stream.tokens for stream in manifest.streams.values()) < 50_000
    plan = ["plan", "yamls/real-text.yaml", "data.root=little-data"]
    assert mmbert(plan) == 1
    assert "streams (" in capsys.readouterr().err
    (command,) = README.commands("little text")
    assert mmbert([*plan, *command.split()[command.split().index("save_folder=runs/short") + 1 :]]) == 0
    assert "next: composer train.py yamls/real-text.yaml data.root=little-data data.segment_blocks=32" in (
        capsys.readouterr().out
    )


def test_the_result(there):
    for command in README.commands("mine"):
        run_command(command, SHORT)
    assert (there / "merged-ema/merge.json").exists()
    assert (there / "exported/config.json").exists()


def test_one_callback(there):
    (block,) = README.blocks("python", "mine")
    README.run_python(block)


@pytest.mark.parametrize("number", [0, 1])
def test_the_models(there, number):
    if not (there / "runs/demo/run/merged").exists():  # the model of the run above in the place of the demo's
        shutil.copytree(there / "runs/mine/merged", there / "runs/demo/run/merged")
    README.run_python(README.blocks("python", "the models")[number])


def test_the_next_phase(there):
    from mmbert_composer.data.prepare import prepare

    prepare(["jsonl:mytext/*.jsonl"], "tok", "runs/demo/data", block_size=512, say=lambda line: None)
    for command in README.commands("demo"):
        phases = 1 if "continue" in command else 2
        mixtures = [f"curriculum.phases.{n}.mixture={{cldr: null, tiny: {{share: 1}}}}" for n in range(phases)]
        run_command(command, [*shortened(phases, 8_192, 4_096), "data.segment_blocks=16", *mixtures])
    assert (there / "runs/decay/report.html").exists()


def test_no_command_is_forgotten():
    """What is not run above is a make target, or the launch on two ranks: test_two_ranks does that on a smaller run."""
    marked = {line for mark in ("", "mine", "demo", "little text") for line in README.commands(mark)}
    rest = [line for line in README.commands() if line not in marked]
    assert rest == ["composer -n 2 train.py yamls/real-text.yaml data.root=data save_folder=runs/two"]
    assert "make demo" in marked


def test_every_path_named_exists():
    for path in re.findall(r"\]\((\w[\w/.-]+)\)|`((?:yamls|docs)/[\w/.-]+)`", README.text):
        assert (ROOT / (path[0] or path[1])).exists(), path
    (sentence,) = re.findall(r"Read these six files first: (.*?)\. The rest", README.text, re.DOTALL)
    files = re.findall(r"`([\w/]+\.py)`", sentence)
    assert len(files) == 6
    for file in files:
        assert (ROOT / "mmbert_composer" / file).exists(), file
