"""Every command and every Python example of the README runs, in process, with runs shortened by overrides."""

import json
import re
import shlex
import shutil

import pytest

from mmbert_composer.cli.main import main as mmbert
from mmbert_composer.train import main as train
from tests.conftest import ROOT, tiny_documents

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:<!-- test(?:: ([\w ]+))? -->\n)?```(\w+)\n(.*?)```", README, re.DOTALL)
BRIEF = ["save_interval=4ba", "eval_interval=null", "progress_bar=false", "curriculum.max_passes=null"]


def shortened(phases, duration, warm_up):
    """Overrides that make a run of a few segments out of a recipe, `phases` of it."""
    overrides = [f"curriculum.phases.{number}.duration={duration}tok" for number in range(phases)]
    if phases > 1:
        overrides.append(f"curriculum.phases.0.lr.over={warm_up}tok")
    return overrides + BRIEF


SHORT = [*shortened(3, 16_384, 8_192), "curriculum.phases.0.batch_size.over=8_192tok", "data.segment_blocks=16"]


def blocks(language, mark=None):
    return [text for found, kind, text in BLOCKS if kind == language and (mark is None or found == mark)]


def commands(language="bash"):
    return [line for text in blocks(language) for line in text.splitlines() if line.strip()]


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


def run(command, overrides=()):
    program, *arguments = shlex.split(command)
    if program == "mmbert":
        if arguments[0] == "plan":
            arguments.append("curriculum.max_passes=null")  # the text here is a few pages
        if arguments[:2] == ["prepare", "run"]:
            arguments += ["--workers", "1"]
        assert mmbert(arguments) == 0, command
        return
    assert program == "composer", command
    arguments = arguments[arguments.index("train.py") + 1 :]
    assert train([*arguments, *overrides]) == 0, command


@pytest.fixture
def there(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    return workplace


def test_your_own_text(there):
    (text,) = [block for block in blocks("bash", "") if "tokenizer train" in block]
    for command in text.splitlines():
        run(command, SHORT)
    assert (there / "runs/mine/report.html").exists()
    assert (there / "runs/mine/merged/model.safetensors").exists()


def test_the_result(there):
    for text in blocks("bash", "mine"):
        for command in text.splitlines():
            run(command, SHORT)
    assert (there / "merged-ema/merge.json").exists()
    assert (there / "exported/config.json").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_python(there, number):
    exec(compile(blocks("python", "mine")[number], f"README.md, Python example {number}", "exec"), {})


def test_the_next_phase(there):
    from mmbert_composer.data.prepare import prepare

    prepare(["jsonl:mytext/*.jsonl"], "tok", "runs/demo/data", block_size=512, say=lambda line: None)
    for text in blocks("bash", "demo"):
        for command in text.splitlines():
            phases = 1 if "continue" in command else 2
            mixtures = [f"curriculum.phases.{n}.mixture={{cldr: null, tiny: {{share: 1}}}}" for n in range(phases)]
            run(command, [*shortened(phases, 8_192, 4_096), "data.segment_blocks=16", *mixtures])
    assert (there / "runs/decay/report.html").exists()


def test_no_command_is_forgotten():
    """What is not run above is a make target, or the launch on two ranks: test_two_ranks does that on a smaller run."""
    marked = {line for mark in ("", "mine", "demo") for text in blocks("bash", mark) for line in text.splitlines()}
    rest = [line for line in commands() if line not in marked]
    assert rest == ["composer -n 2 train.py yamls/real-text.yaml data.root=data save_folder=runs/two"]
    assert "make demo" in marked


def test_every_path_named_exists():
    for path in re.findall(r"\]\((\w[\w/.-]+)\)|`((?:yamls|docs)/[\w/.-]+)`", README):
        assert (ROOT / (path[0] or path[1])).exists(), path
    (sentence,) = re.findall(r"Read these six files first: (.*?)\. The rest", README, re.DOTALL)
    files = re.findall(r"`([\w/]+\.py)`", sentence)
    assert len(files) == 6
    for file in files:
        assert (ROOT / "mmbert_composer" / file).exists(), file
