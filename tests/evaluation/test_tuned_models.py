"""Tuning is a function of its seed, what others start from is kept, and encoders of other kinds go the same way."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForMaskedLM

from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.run_suite import run_suite
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.tuned_models import resampled, tune


@pytest.fixture
def how(tmp_path):
    return Settings(folder=tmp_path / "out", tasks=(BY_NAME["mnli"], BY_NAME["rte"]), say=lambda line: None)


def weights(tuned):
    return torch.cat([value.flatten() for value in tuned.model.state_dict().values()])


def test_the_same_seed_gives_the_same_weights(tiny_encoder, benchmarks, how):
    task = BY_NAME["cola"]
    tuned = [tune(task, tiny_encoder, benchmarks, task.hyperparameters, how, seed) for seed in (1, 1, 2)]
    first, again, other = map(weights, tuned)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert tuned[0].steps == 3
    assert not (how.folder / "stages").exists()


def test_what_another_task_starts_from_is_kept(tiny_encoder, benchmarks, how):
    mnli = BY_NAME["mnli"]
    first = tune(mnli, tiny_encoder, benchmarks, mnli.hyperparameters, how, 1)
    (stage,) = (how.folder / "stages").iterdir()
    written = (stage / "model.safetensors").stat().st_mtime_ns
    again = tune(mnli, tiny_encoder, benchmarks, mnli.hyperparameters, how, 1)
    assert torch.equal(weights(first), weights(again))
    assert again.steps == first.steps
    rte = tune(BY_NAME["rte"], tiny_encoder, benchmarks, BY_NAME["rte"].hyperparameters, how, 1)
    assert (stage / "model.safetensors").stat().st_mtime_ns == written
    # A new head for two labels, on MNLI's encoder.
    assert rte.model.config.num_labels == 2
    near, far = (
        (rte.model.model.embeddings.tok_embeddings.weight - other).abs().max()
        for other in (
            first.model.model.embeddings.tok_embeddings.weight,
            first.model.model.embeddings.tok_embeddings.weight.flip(0),
        )
    )
    assert near < 1e-3 < far
    # Other hyper-parameters are another model.
    tune(mnli, tiny_encoder, benchmarks, replace(mnli.hyperparameters, epochs=1), how, 1)
    assert len(list((how.folder / "stages").iterdir())) == 1


def test_a_launcher_around_it_does_not_matter(tiny_encoder, benchmarks, how, monkeypatch):
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    task = BY_NAME["cola"]
    assert tune(task, tiny_encoder, benchmarks, replace(task.hyperparameters, epochs=1), how, 1).steps == 1
    assert os.environ["WORLD_SIZE"] == "2"


def test_a_bootstrap_round_is_a_function_of_its_seed():
    rows = [{"id": n} for n in range(50)]
    assert resampled(rows, 1, "train") == resampled(rows, 1, "train") != resampled(rows, 2, "train")
    assert resampled(rows, 1, "train") != resampled(rows, 1, "test")
    assert len({row["id"] for row in resampled(rows, 1, "train")}) < 50


def save_bert(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A BERT, whose tokenizer emits token types and whose model takes them."""
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertForMaskedLM(BertConfig(vocab_size=576, **shape)).save_pretrained(folder)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)
    return folder


def save_xlm_r(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    """An XLM-R, whose positions begin after the padding id."""
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    XLMRobertaForMaskedLM(
        XLMRobertaConfig(vocab_size=576, max_position_embeddings=514, **shape, **ids)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("save", "names"),
    [
        (save_bert, ("mrpc", "xquad")),
        pytest.param(save_bert, ("xcopa", "wikiann"), marks=pytest.mark.slow),
        pytest.param(save_xlm_r, ("mrpc", "xquad", "xcopa", "wikiann"), marks=pytest.mark.slow),
    ],
)
def test_other_encoders(tiny_encoder, benchmarks, tmp_path, how, save, names):
    model = save(tmp_path / "other", PreTrainedTokenizerFast.from_pretrained(tiny_encoder))
    tasks = tuple(BY_NAME[name] for name in names)
    settings = replace(how, tasks=tasks, languages=("en", "et"), max_train_examples=4)
    assert len(run_suite(model, "other", benchmarks, settings).results) == len(names)
