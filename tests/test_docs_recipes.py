"""Every command of docs/recipes.md, on small stand-ins for text and model."""

import json
import random
import shlex
import shutil

import pytest

from tests.conftest import ROOT, leave_process_group, read_jsonl, tiny_documents
from tests.documents import BRIEF, Document, run_command
from tests.foreign_tokenizers import save_gemma_like
from tests.recipe_data import prepare_recipe_data, two_steps
from tests.test_recipes import COUNTS

DOCUMENT = Document(ROOT / "docs" / "recipes.md")
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 2}
BRIEFLY = [
    *(f"model.{key}={value}" for key, value in SHAPE.items()),
    *(f"curriculum.phases.{number}.duration=2_048tok" for number in (0, 1)),
    *(f"curriculum.phases.{number}.max_seq_len=256" for number in (0, 1)),
    "curriculum.phases.0.lr.over=1_024tok",
    "data.block_size=256",
    "data.segment_blocks=8",
    "data.num_workers=0",
    "data.held_out_blocks=1",
    "global_train_batch_size=4",
    "batch_size_multiple=2",
    *BRIEF,
]


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder like the repository's root."""
    shutil.copytree(ROOT / "yamls", tmp_path / "yamls")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_plans(there, capsys):
    commands = DOCUMENT.commands("")
    assert len(commands) == 4
    for command in commands:
        run_command(command)
    assert (there / "base.png").exists()
    assert "warning: a micro-batch" not in capsys.readouterr().out


@pytest.mark.skipif(not COUNTS.exists(), reason="the published counts of languages are not here")
def test_the_published_counts(there, capsys):
    shutil.copy(COUNTS, there / "mmbert-language-counts.csv")
    (command,) = DOCUMENT.commands("published counts")
    run_command(command)
    assert "largest of 1832 streams" in capsys.readouterr().out


def test_continuing(there):
    import torch
    from transformers import AutoModelForMaskedLM, ModernBertConfig, ModernBertForMaskedLM

    save_gemma_like(there / "mmbert")
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "eos_token_id": 1, "sep_token_id": 1, "bos_token_id": 2, "cls_token_id": 2}
    theta = {"global_rope_theta": 160_000.0, "local_rope_theta": 160_000.0}
    ModernBertForMaskedLM(ModernBertConfig(vocab_size=448, **SHAPE, **ids, **theta)).save_pretrained(there / "mmbert")
    for name, language in (("new", "swh"), ("old", "eng")):
        (there / name).mkdir()
        rows = [row for row in tiny_documents(random.Random(name).randrange(99)) if row["language"] == language]
        lines = [json.dumps({"text": row["text"], "language": language}) for row in rows]
        (there / name / "a.jsonl").write_text("\n".join(lines) + "\n")
    for command in DOCUMENT.commands("continue"):
        if "prepare" in command:
            command += " --block-size 256"
        if "plan" in command or "composer" in command:
            command = shlex.join([*shlex.split(command), *BRIEFLY])
        run_command(command)
    leave_process_group()
    steps = [row for row in read_jsonl(there / "runs/continue/metrics.jsonl") if "event" not in row]
    assert [row["phase"] for row in steps] == ["adapt"] * 2 + ["settle"] * 2
    for exported in ("hf", "merged"):
        model = AutoModelForMaskedLM.from_pretrained(there / "runs/continue" / exported)
        assert model.config.global_rope_theta == 160_000


@pytest.mark.slow
def test_training_in_phases(there):
    data = prepare_recipe_data(there)
    for command in DOCUMENT.commands("train"):
        words = command.split()
        overrides = []
        if words[0] == "composer":
            recipe = there / words[2]
            overrides = two_steps(recipe, data, there / "runs" / recipe.stem)
        run_command(command, overrides)
        leave_process_group()
    merged = json.loads((there / "runs/mmbert-base-merged/merge.json").read_text())
    assert len(merged["inputs"]) == 3


def test_nothing_is_forgotten():
    marks = ("", "published counts", "train", "continue")
    assert sorted(DOCUMENT.blocks("bash")) == sorted(block for mark in marks for block in DOCUMENT.blocks("bash", mark))
