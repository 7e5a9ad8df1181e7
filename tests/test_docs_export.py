"""The flow of docs/export.md from end to end: a small mmBERT goes on learning on a new language with new tokens."""

import json
import random
import shutil

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, ModernBertConfig, ModernBertForMaskedLM

from mmbert_composer.checkpoints.model_weights import EMBEDDING, model_weights
from mmbert_composer.data.manifest import load_manifest
from tests.conftest import ROOT
from tests.documents import Document, run_command, shortened
from tests.foreign_tokenizers import ENGLISH, save_gemma_like

DOCUMENT = Document(ROOT / "docs" / "export.md")
SYLLABLES = ["ሰ", "ላ", "ም", "ዓ", "ለ", "ው", "ነ", "መ", "ብ", "ት", "ሕ", "ይ", "ወ", "ጻ", "ኝ", "ን", "ር", "ቀ", "ተ", "ሁ"]
SHORT = [*shortened(1, 16_384, 0), "data.segment_blocks=16", "data.held_out_blocks=1"]


def documents(words, source, language, count):
    generator = random.Random(source)
    texts = [" ".join(generator.choices(words, k=120)) for _ in range(count)]
    return [{"text": text, "language": language, "source": source} for text in texts]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as the document wants it: a model, text of a new language and of an old one, the recipes."""
    folder = tmp_path_factory.mktemp("continue")
    save_gemma_like(folder / "mmbert")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "sep_token_id": 1, "bos_token_id": 2, "cls_token_id": 2}
    theta = {"global_rope_theta": 160_000.0, "local_rope_theta": 160_000.0}
    ModernBertForMaskedLM(ModernBertConfig(vocab_size=448, **shape, **ids, **theta)).save_pretrained(folder / "mmbert")
    generator = random.Random(1)
    new = ["".join(generator.choices(SYLLABLES, k=generator.randint(2, 5))) for _ in range(60)]
    for name, rows in (
        ("mytext", documents(new, "new", "tir", 60)),
        ("oldtext", documents(" ".join(ENGLISH).split(), "old", "eng", 40)),
    ):
        (folder / name).mkdir()
        (folder / name / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(ROOT / "yamls", folder / "yamls")
    (yaml,) = DOCUMENT.blocks("yaml", "grow")
    (folder / "continue.yaml").write_text(yaml)
    return folder


@pytest.fixture(scope="module")
def there(workplace):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        for command in DOCUMENT.commands("grow"):
            run_command(command, SHORT)
        yield workplace


def test_the_new_language_has_tokens(there):
    coverage = json.loads((there / "grown" / "coverage.json").read_text())["languages"]["tir"]
    assert coverage["after"]["tokens_per_word"] < 0.5 * coverage["before"]["tokens_per_word"]
    assert coverage["after"]["byte_tokens"] == 0
    manifest = load_manifest(there / "data")
    assert manifest.special_ids == {"pad": 0, "eos": 1, "bos": 2, "unk": 3, "mask": 4}
    assert set(manifest.streams) == {"new/tir", "old/eng"}


def test_the_model_grew_and_learned(there):
    before, start, after = (model_weights(there / name) for name in ("mmbert", "start", "my-mmbert"))
    assert [len(weights["decoder.bias"]) for weights in (before, start, after)] == [448, 512, 512]
    old = sorted(set(range(416)) - {5, 6, 7, 8})  # those placeholders made room
    assert torch.equal(start[EMBEDDING][old], before[EMBEDDING][old])
    assert not torch.equal(after[EMBEDDING][old], before[EMBEDDING][old])
    model = AutoModelForMaskedLM.from_pretrained(there / "my-mmbert")
    assert (model.config.global_rope_theta, model.config.max_position_embeddings) == (160_000, 1024)
    assert len(AutoTokenizer.from_pretrained(there / "my-mmbert")) == 416 - 4 + 64
    events = [json.loads(line) for line in (there / "runs/my-mmbert/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in events if line.get("event") == "eval"]
    assert losses[-1] < losses[0]
    card = (there / "my-mmbert" / "README.md").read_text()
    assert "Training started from `mmbert`" in card
    assert "Tigrinya" in card


def test_python(there):
    (block,) = DOCUMENT.blocks("python", "grow")
    DOCUMENT.run_python(block)


def test_nothing_is_forgotten():
    assert DOCUMENT.blocks("bash") == DOCUMENT.blocks("bash", "grow")
    assert DOCUMENT.blocks("python") == DOCUMENT.blocks("python", "grow")
