"""The commands and code of every example's README, on the tiny run's model, with fewer epochs."""

import importlib.util
import json
import shlex
import shutil
from types import ModuleType

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from tests.documents import Document

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/README.md"))


def script(name: str) -> ModuleType:
    path = ROOT / "examples" / name / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def there(tmp_path, monkeypatch, finished_run):
    """A folder like the repository's root, the tiny run's model in the place of the demo's."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(finished_run / "hf", tmp_path / "runs" / "demo" / "run" / "merged")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_readme(there, name, capsys):
    document = Document(ROOT / "examples" / name / "README.md")
    module = script(name)
    for command in document.commands(""):
        program, path, *arguments = shlex.split(command)
        assert (program, path) == ("python", f"examples/{name}/{name}.py")
        assert (there / path).exists()
        module.main([*arguments, *(["--epochs", "1"] if name != "search" else [])])
    for block in document.blocks("python", ""):
        document.run_python(block)
    assert capsys.readouterr().out
    assert document.commands() == document.commands("")


def test_classify_learns(there):
    # Words of the tiny data's languages stand for topics: plain enough for a model of 50,000 weights.
    rows = [{"text": word * 3, "label": word} for word in ("abc ", "xyz ") for _ in range(8)]
    for file in ("train.en", "test.en", "test.de"):
        (there / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = script("classify").main(
        ["--model", "runs/demo/run/merged", "--data", str(there), "--epochs", "12", "--lr", "0.01"]
    )
    assert found == {"en": 1.0, "de": 1.0}


def test_search_finds_a_text_by_itself(there):
    module = script("search")
    assert module.index(there / "examples/search/data", "runs/demo/run/merged", there / "town.npz") == 15
    text = "Der Nachtbus hält am Hafen, am Markt und am Krankenhaus."
    (cosine, passage), *rest = module.query(there / "town.npz", text, top=2)
    assert (passage["text"], passage["file"]) == (text, "town.de.txt")
    assert cosine == pytest.approx(1.0, abs=1e-5)
    assert len(rest) == 1


def test_ner_labels_the_first_piece_of_each_word(finished_run):
    from transformers import AutoTokenizer

    module = script("ner")
    tokenizer = AutoTokenizer.from_pretrained(finished_run / "hf")
    row = {"tokens": ["Anna", "Keller", "lives", "in", "Oslo", "."], "tags": ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]}
    encoded = module.encode(tokenizer, row)
    labels = np.array(encoded["labels"])
    assert [module.TAGS[tag] for tag in labels[labels != module.IGNORE]] == row["tags"]
    offsets = tokenizer(" ".join(row["tokens"]), return_offsets_mapping=True)["offset_mapping"]
    firsts = [" ".join(row["tokens"])[a:b].strip() for (a, b), tag in zip(offsets, labels, strict=True) if tag >= 0]
    assert all(word.startswith(piece) for word, piece in zip(row["tokens"], firsts, strict=True))


@pytest.mark.parametrize("name", ["classify", "ner"])
def test_data_is_whole(name):
    module = script(name)
    for path in (ROOT / "examples" / name / "data").glob("*.jsonl"):
        for row in module.read(path):
            if name == "ner":
                assert len(row["tokens"]) == len(row["tags"])
                assert set(row["tags"]) <= set(module.TAGS)
            else:
                assert row["label"] in ("weather", "food", "sport")
    assert torch.initial_seed() >= 0
