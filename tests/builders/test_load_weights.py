import json
import shutil

import pytest
import torch

from mmbert_composer.builders.load_weights import check_weights, load_weights
from mmbert_composer.checkpoints.model_weights import EMBEDDING, model_weights
from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

pytest_plugins = ("tiny_models", "foreign_tokenizers", "imported_models")


@pytest.fixture
def model(tiny_config):
    return ModernBertMLM(tiny_config(vocab_size=448))


@pytest.mark.parametrize("rows", [416, 448, 512])
def test_rows_behind_the_vocabulary_may_differ(model, save_hf, gemma_like, rows):
    hf = save_hf(vocab_size=rows)
    before = model.model.decoder.bias.detach().clone()
    check_weights(model, hf, gemma_like)
    load_weights(model, hf)
    weights, own = model_weights(hf), model.model.state_dict()
    for name in (EMBEDDING, "decoder.bias"):
        assert torch.equal(own[name][:416], weights[name][:416])
    assert torch.equal(own["decoder.bias"][rows:], before[rows:])
    assert torch.equal(own["head.dense.weight"], weights["head.dense.weight"])


def test_what_does_not_fit_is_named(tiny_config, save_hf, gemma_like):
    hf = save_hf()
    wide = ModernBertMLM(tiny_config(vocab_size=448, hidden_size=64))
    with pytest.raises(UserError, match=r"do not fit the keys of model: head\.dense\.weight \(32, 32\) there"):
        check_weights(wide, hf, gemma_like)
    deep = ModernBertMLM(tiny_config(vocab_size=448, num_hidden_layers=5))
    with pytest.raises(UserError, match=r"model\.layers\.4\.attn\.Wo\.weight only here"):
        check_weights(deep, hf, gemma_like)


def grown(folder, out, tokens):
    shutil.copytree(folder, out)
    content = json.loads((out / "tokenizer.json").read_text())
    content["model"]["vocab"].update(tokens)
    (out / "tokenizer.json").write_text(json.dumps(content))
    return out


def test_the_tokenizer_of_the_data(tmp_path, model, save_hf, gemma_like):
    hf = save_hf()
    more = grown(gemma_like, tmp_path / "more", {"new": 416, "newer": 417})
    with pytest.raises(UserError) as error:
        check_weights(model, hf, more)
    assert "another tokenizer than the data was prepared with, 2 tokens differ" in str(error.value)
    assert "'new' is id 416 in the data and absent there" in str(error.value)
    assert f"mmbert import MODEL --tokenizer {more} --out NEW" in str(error.value)
    moved = grown(gemma_like, tmp_path / "moved", {"the": 420})
    with pytest.raises(UserError, match=r"'the' is id 420 in the data and \d+ there. Prepare the data with") as error:
        check_weights(model, hf, moved)
    assert "mmbert import" not in str(error.value)
    shutil.copy(more / "tokenizer.json", hf / "tokenizer.json")  # the model knows more than the data needs
    check_weights(model, hf, gemma_like)


def test_a_checkpoint_has_the_tokenizer_of_its_run(
    tmp_path, tiny_config, tiny_model, save_run, save_checkpoint, gemma_like
):
    model = ModernBertMLM(tiny_config())
    run = save_run(tmp_path / "run")
    checkpoint = save_checkpoint(run / "checkpoints", tiny_model(0), epoch=1, batch=4)
    check_weights(model, checkpoint, run / "tokenizer")
    with pytest.raises(UserError, match="another tokenizer"):
        check_weights(model, checkpoint, gemma_like)
    alone = save_checkpoint(tmp_path / "alone", tiny_model(0), epoch=1, batch=4)
    check_weights(model, alone, run / "tokenizer")
